"""E-mail addresses and phone numbers as they are stored and compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import email_validator
import phonenumbers
from phonenumbers import phonenumberutil
from phonenumbers.phonemetadata import PhoneMetadata

from app.core.faults import Fault
from app.core.limits import EMAIL_MAX, PHONE_INPUT_MAX

# Format characters are stripped before the length counts, so the raw text may be longer, within reason.
_EMAIL_RAW_MAX = 4 * EMAIL_MAX

# What email-validator accepts of plain ASCII, in one pass: a dot-atom (RFC 5322 3.2.3), labels of at most 63 (RFC 1035 2.3.1),
# none with hyphens as its third and fourth character (those are IDNA's), at least two of them, the last ending in a letter. The
# tests hold the two together.
_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LAST_PLAIN_LABEL = r"(?!..--)(?:[A-Za-z0-9][A-Za-z0-9-]{0,61})?[A-Za-z]"
_PLAIN_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LAST_PLAIN_LABEL}")

# The four characters that IDNA reads as a dot: https://www.unicode.org/reports/tr46/#Processing
_LAST_LABEL = re.compile("[.\u3002\uff0e\uff61]([^.\u3002\uff0e\uff61]+)$")
_SPECIAL_USE_LABELS = frozenset(name.rpartition(".")[2] for name in email_validator.SPECIAL_USE_DOMAIN_NAMES)


def normalise_email(value: str) -> str:
    """Return the address as it is stored: without format characters and surrounding white space, its local part as written.

    The local part is in NFC (RFC 6532 3.1). The domain is lower-cased, and an internationalised one is kept as A-labels
    (`xn--...`), whichever form it came in: every mail system takes that form, and two domains are the same exactly where their
    A-labels are, while folding the case of `straße.de` would make it `strasse.de`, which is another domain. Special-use domains
    (`.test`, `.local`) are accepted: shops import what they have. Quoted local parts, bracketed IP addresses and domains without
    a dot are not.

    Raises `Fault` invalid_email.
    """
    if len(value) > _EMAIL_RAW_MAX:
        raise Fault("invalid_email", f"The address is longer than {EMAIL_MAX} characters.")
    text = without_format_characters(value).strip()
    if len(text) <= EMAIL_MAX and _PLAIN_EMAIL.fullmatch(text):
        local, _, domain = text.rpartition("@")
        return f"{local}@{domain.lower()}"
    return _email_by_library(text)


def email_key(email: str) -> str:
    """Return the form in which addresses are compared: without case, in NFC. Expects what `normalise_email` returned."""
    if email.isascii():
        return email.lower()
    return unicodedata.normalize("NFC", email.casefold())


def _email_by_library(text: str) -> str:
    head, at, domain = text.rpartition("@")
    # The library has no switch for special-use domains but a list to mutate. Every one of them ends in a label of plain letters:
    # the address is checked with that label replaced by one of the same length, and gets it back afterwards.
    special = _special_use_label(domain)
    checked = domain[: -len(special)] + "a" * len(special) if special else domain
    try:
        # Lone surrogates must not come back in the library's sentence: no JSON can hold them.
        text.encode()
        found = email_validator.validate_email(head + at + checked, check_deliverability=False)
    except UnicodeEncodeError:
        raise Fault("invalid_email", "The address holds half of a surrogate pair.") from None
    except email_validator.EmailNotValidError as error:
        raise Fault("invalid_email", str(error)) from None
    # Not `found.local_part`, which lower-cases `Info` and the other mailbox names of RFC 2142.
    local = unicodedata.normalize("NFC", found.original.rpartition("@")[0])
    ascii_domain = found.ascii_domain
    if special:
        ascii_domain = ascii_domain[: -len(special)] + special
    return f"{local}@{ascii_domain}"


def _special_use_label(domain: str) -> str:
    last = _LAST_LABEL.search(domain)
    if not last:
        return ""
    label = unicodedata.normalize("NFKC", last.group(1)).casefold()
    # A label that changes its length on the way is no spelling of a special one that anybody uses: the library may judge it.
    return label if label in _SPECIAL_USE_LABELS and len(label) == len(last.group(1)) else ""


def without_format_characters(value: str) -> str:
    if value.isascii():
        return value
    return "".join(char for char in value if unicodedata.category(char) != "Cf")


class _NumberingPlan(NamedTuple):
    """What a country calling code says of the numbers behind it."""

    # How many digits the code has, and the region by whose rules they are read, of all that share it.
    size: int
    region: str
    # Without those of numbers that can be dialled only within their area.
    lengths: frozenset[int]
    national_prefix: re.Pattern[str] | None


class _HomePlan(NamedTuple):
    """What a region says of the numbers that are written there without a country prefix."""

    calling_code: str
    lengths: frozenset[int]
    longest: int
    number: re.Pattern[str]
    international_prefix: re.Pattern[str] | None
    national_prefix: re.Pattern[str] | None
    # Whether what the national prefix matches may be replaced by more than nothing.
    is_rewritten: bool


_CANONICAL_PHONE = re.compile(r"\+([1-9][0-9]{6,18})")

# What nearly all people write between digits; to the library none of it means anything.
_SEPARATORS = " -.()/"

# Digits of any script, plus signs, white space and the punctuation that people write between digits. Letters are no part of it:
# phonenumbers reads three or more as a vanity number, and would turn a note behind a number into further digits.
_PHONE_SPACES = " \t\u00a0\u00b7\u2000-\u200a\u202f\u205f\u3000"
_PHONE_MARKS = "+\uff0b.\uff0e/\uff0f()\uff08\uff09\\[\\]\uff3b\uff3d\u2010-\u2015\u2212\u30fc\uff0d-"
_PHONE_CHARACTERS = re.compile(f"[\\d{_PHONE_SPACES}{_PHONE_MARKS}]+")
_PHONE_SEPARATORS = re.compile(f"[{_PHONE_SPACES}]+")
_STARTS_WITH_PLUS = re.compile("[^\\d+\uff0b]*[+\uff0b]")


def normalise_phone(value: str, *, region: str | None) -> str:
    """Return the number in E.164, as `phonenumbers` reads it: format characters stripped, digits of any script accepted.

    `region` is the ISO 3166-1 country whose numbers may be written without `+`; a number with `+` means the same in every region.
    Accepted is what has a possible length, since new ranges appear faster than metadata. A national number that could be dialled
    only within its area is refused: with a country prefix it would be another number.

    Raises `Fault` with the code invalid_phone, phone_region_unknown (no country prefix, and no region or one without a numbering
    plan) or phone_extension (E.164 has no place for an extension, and dropping it would lose it).
    """
    if len(value) > PHONE_INPUT_MAX:
        raise Fault("invalid_phone", f"The number is longer than {PHONE_INPUT_MAX} characters.")
    certain = _phone_at_once(value, region)
    return _phone_by_library(without_format_characters(value).strip(), region) if certain is None else certain


def _phone_at_once(value: str, region: str | None) -> str | None:
    """The number where a look at its digits is enough to know what the library would make of it in 40 to 100 us."""
    digits = value
    if not digits[1:].isdecimal():
        # In half the time of str.translate.
        for separator in _SEPARATORS:
            digits = digits.replace(separator, "")
    if _CANONICAL_PHONE.fullmatch(digits):
        return _international_at_once(digits[1:])
    if region is None or not (digits.isascii() and digits.isdecimal()):
        return None
    home = _home_plan(region)
    return _national_at_once(digits, home) if home is not None else None


def _national_at_once(digits: str, home: _HomePlan) -> str | None:
    """The same for digits without a plus sign, step by step as `phonenumbers.parse` goes."""
    abroad = home.international_prefix.match(digits) if home.international_prefix is not None else None
    if abroad is not None:
        return _international_at_once(digits[abroad.end() :])
    if digits.startswith(home.calling_code):
        # The calling code without a plus sign, where it is too much for a number of this country or makes one of what was none.
        is_too_long = len(digits) > home.longest
        if is_too_long or not home.number.fullmatch(digits):
            rest = digits[len(home.calling_code) :]
            if _may_lose(rest, 0, home.national_prefix) or not (is_too_long or home.number.fullmatch(rest)):
                return None
            return _whole(digits)
    return _behind_national_prefix(digits, home)


def _international_at_once(digits: str) -> str | None:
    """The same for digits from their country calling code on, with the national prefix in between that many write: `+44 (0)20 ...`."""
    if (whole := _whole(digits)) is not None or digits[:1] in ("", "0"):
        return whole
    plan = _plan_of(digits)
    home = _home_plan(plan.region) if plan is not None else None
    return _behind_national_prefix(digits[len(home.calling_code) :], home) if home is not None else None


def _behind_national_prefix(digits: str, home: _HomePlan) -> str | None:
    """A number of the country in E.164, its national prefix taken away where it has one."""
    prefix = home.national_prefix.match(digits) if home.national_prefix is not None else None
    if prefix is not None:
        digits = digits[prefix.end() :]
        if len(digits) not in home.lengths or not home.number.fullmatch(digits):
            return None
        if home.is_rewritten and prefix[prefix.re.groups] is not None:
            return None
    return _whole(home.calling_code + digits)


def _whole(digits: str) -> str | None:
    """`digits` in E.164 where they are a whole number from its country calling code on, and read as themselves."""
    return f"+{digits}" if digits[:1] not in ("", "0") and _is_canonical(digits) else None


def _is_canonical(digits: str) -> bool:
    """Whether `phonenumbers` would return these digits unchanged; False also where only the library can tell."""
    plan = _plan_of(digits)
    return plan is not None and len(digits) - plan.size in plan.lengths and not _may_lose(digits, plan.size, plan.national_prefix)


def _may_lose(digits: str, start: int, national_prefix: re.Pattern[str] | None) -> bool:
    """Whether a national prefix may be taken from `digits` at `start`; Argentina's matches before all digits, and mostly nothing."""
    found = national_prefix.match(digits, start) if national_prefix is not None else None
    return found is not None and (found.end() > start or found.lastindex is not None)


def _plan_of(digits: str) -> _NumberingPlan | None:
    return _numbering_plan(digits[:1]) or _numbering_plan(digits[:2]) or _numbering_plan(digits[:3])


@lru_cache(maxsize=2048)
def _numbering_plan(calling_code: str) -> _NumberingPlan | None:
    """What is known of a country calling code, read from the metadata at its first use; None where there is no such code."""
    code = int(calling_code)
    if code not in phonenumberutil.COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumberutil.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return None
    lengths = frozenset(metadata.general_desc.possible_length) - frozenset(metadata.general_desc.possible_length_local_only)
    return _NumberingPlan(len(calling_code), region, lengths, _pattern(metadata.national_prefix_for_parsing))


@lru_cache(maxsize=512)
def _home_plan(region: str) -> _HomePlan | None:
    """The same for a region; None where there is no such region, or one whose metadata are not as everywhere else."""
    metadata = PhoneMetadata.metadata_for_region(region.upper(), None) if region.upper() in phonenumbers.SUPPORTED_REGIONS else None
    if metadata is None or metadata.general_desc is None:
        return None
    number = _pattern(metadata.general_desc.national_number_pattern)
    lengths, local = metadata.general_desc.possible_length, metadata.general_desc.possible_length_local_only
    if number is None or max(local, default=0) > max(lengths):
        return None
    return _HomePlan(
        str(metadata.country_code),
        frozenset(lengths) - frozenset(local),
        max(lengths),
        number,
        _pattern(metadata.international_prefix),
        _pattern(metadata.national_prefix_for_parsing),
        bool(metadata.national_prefix_transform_rule),
    )


def _pattern(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern else None


def _phone_by_library(text: str, region: str | None) -> str:
    if text[:4].lower() == "tel:":
        text = text[4:].lstrip()
    # The library gives a number with an unknown country prefix a second chance as a national one: a guess that we do not take.
    international = _STARTS_WITH_PLUS.match(text) is not None
    home = None if international or region is None else region.upper()
    if not international and home not in phonenumbers.SUPPORTED_REGIONS:
        if not _PHONE_CHARACTERS.fullmatch(text):
            raise Fault("invalid_phone", "This cannot be read as a phone number.")
        raise Fault("phone_region_unknown", "The number has no country prefix (+...), and no country says which one is meant.")
    number = _parse_phone(_PHONE_SEPARATORS.sub(" ", text), home)
    if number.extension:
        raise Fault("phone_extension", "The number carries an extension, which E.164 has no place for; keep it elsewhere.")
    if not _PHONE_CHARACTERS.fullmatch(text):
        raise Fault("invalid_phone", "The number holds characters that are no part of a phone number.")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY and not international:
        raise Fault("invalid_phone", "The number lacks its area code.")
    if not phonenumbers.is_possible_number(number):
        raise Fault("invalid_phone", "No number of this country is as long as this.")
    e164 = _e164(number)
    # `+20 00 ...` loses one zero at each reading. What is stored must be read as itself, or sending it back would change it.
    if not _is_canonical(e164[1:]) and _e164(_parse_phone(e164, None)) != e164:
        raise Fault("invalid_phone", "The number can be read as more than one number.")
    return e164


def _parse_phone(text: str, home: str | None) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(text, home)
    except phonenumbers.NumberParseException:
        raise Fault("invalid_phone", "This cannot be read as a phone number.") from None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
