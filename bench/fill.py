"""Generated customers, by COPY and with everything that the service would have written for them but events; always the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg

from app.core.ids import new_id
from app.customers import merging

FAMILY = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙史陶贺毛段郝顾龚邵覃武钱戴莫孔向汤"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文斌宇浩凯健俊帆雪莹琳瑶璐佳欣怡晨曦子涵梓轩雨桐思远志鹏海波晓东"
    "国庆永胜春梅冬云"
)
WESTERN = ["Smith", "Garcia", "Miller", "Rossi", "Novak", "Silva", "Dubois", "Kim", "Jensen", "Kowalski", "Schneider", "Ivanov"]
FIRST = ["Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Henry", "Ines", "Jonas", "Karin", "Luis"]
COUNTRIES = ["CN"] * 6 + ["US", "DE", "FR", "BR"]

_COPY = (
    "COPY customers (id, kind, given_name, family_name, email, phone, country, tags, status, owner, source, external_ids, attributes, "
    "version, created_at, updated_at, email_key, search_text, search_grams, xid) FROM STDIN"
)
_COPY_KEYS = "COPY customer_keys (source, external_id, customer_id) FROM STDIN"


def rows(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:  # Any: column values
    """`count` customers, three of five with Chinese names."""
    dice = random.Random(seed)
    began = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(count):
        chinese = dice.random() < 0.6
        family = dice.choice(FAMILY) if chinese else dice.choice(WESTERN)
        given = "".join(dice.choices(GIVEN, k=dice.choice((1, 2, 2)))) if chinese else dice.choice(FIRST)
        values = {
            **merging.DEFAULTS,
            "given_name": given,
            "family_name": family,
            "email": f"customer{number}@example.com",
            "phone": f"+86138{number:08d}" if chinese else f"+4930{number:08d}",
            "country": dice.choice(COUNTRIES),
            "tags": dice.sample(["vip", "new", "wholesale", "press", "staff"], dice.randrange(3)),
            "owner": f"owner{dice.randrange(500)}",
            "source": "bench",
        }
        moment = began + timedelta(seconds=number)
        yield {
            **values,
            **merging.derived(values),
            "id": new_id(),
            "external_ids": orjson.dumps({"bench": str(number)}).decode(),
            "attributes": "{}",
            "version": 1,
            "created_at": moment,
            "updated_at": moment,
            "xid": "0",
        }


def fill(connection: psycopg.Connection[Any], count: int) -> None:
    """Write `count` customers and their external ids `bench:<number>`, then collect statistics."""
    ids = []
    columns = _COPY.partition("(")[2].partition(")")[0].split(", ")
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows(count):
            copy.write_row([row[column] for column in columns])
            ids.append(row["id"])
    with connection.cursor() as cursor, cursor.copy(_COPY_KEYS) as copy:
        for number, customer_id in enumerate(ids):
            copy.write_row(["bench", str(number), customer_id])
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE customers")
    connection.execute("VACUUM ANALYZE customer_keys")
