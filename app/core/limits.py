"""Every cap on input and output, in one place; `GET /v1/meta/limits` shows them as data."""

from __future__ import annotations

# Paging.
PAGE_DEFAULT = 50
PAGE_MAX = 200
FEED_PAGE_MAX = 1000
FEED_WAIT_MAX_SECONDS = 20
FEED_TYPES_MAX = 50

# JSON.
NESTING_MAX = 16
MEMBERS_MAX = 200
FAULTS_MAX = 100

# Text, in code points.
NAME_MAX = 255
SHORT_TEXT_MAX = 64
EMAIL_MAX = 254
PHONE_INPUT_MAX = 64
TAG_MAX = 64
ADDRESS_LINE_MAX = 255
SOURCE_MAX = 64
EXTERNAL_ID_MAX = 255
ATTRIBUTE_NAME_MAX = 64
ATTRIBUTE_TEXT_MAX = 4096
# With four bytes each they fit into a row of an index, which has 2,704: https://www.postgresql.org/docs/current/btree.html
ATTRIBUTE_INDEXED_TEXT_MAX = 500
ATTRIBUTE_SORTED_TEXT_MAX = 500
QUERY_TEXT_MAX = 200
TOKEN_NAME_MAX = 100
REQUEST_ID_MAX = 128
DESCRIPTION_MAX = 2000
SUBJECT_MAX = 998
BODY_MAX = 65_536
AMOUNT_DIGITS_MAX = 15
AMOUNT_DECIMALS_MAX = 6

# Times, in seconds.
OCCURRED_AHEAD_MAX_SECONDS = 24 * 3600
DURATION_MAX_SECONDS = 2**31 - 1

# Lists and maps, in items.
ALTERNATES_MAX = 20
ADDRESSES_MAX = 20
TAGS_MAX = 100
EXTERNAL_IDS_MAX = 200
ATTRIBUTES_MAX = 200
DEFINITIONS_MAX = 500
DEFINITION_CHOICES_MAX = 200
ATTRIBUTE_LIST_MAX = 100

# Batches.
BATCH_MAX = 1000
BATCH_BODY_MAX_BYTES = 16 * 1_048_576

# Tokens.
TOKEN_OVERLAP_MAX_SECONDS = 7 * 24 * 3600

# Rules: the text, also the one that JSON stands for; its levels of objects and lists as JSON, about two for each operator, which with the
# body's own make NESTING_MAX; what it is made of.
RULE_TEXT_MAX = 8192
RULE_WORDS_MAX = 3000
RULE_NESTING_MAX = NESTING_MAX - 1
RULE_NODES_MAX = 200
RULE_LIST_MAX = 500
RULE_DIGITS_MAX = 38
RULE_DAYS_MAX = 36_500
RULE_FAULTS_MAX = 10

# Segments: how far they may stand behind each other, and what a rule may come to with the rules of all that it names.
SEGMENTS_MAX = 500
SEGMENT_LEVELS_MAX = 5
SEGMENT_NODES_MAX = 1000
SEGMENT_SAMPLE = 10

# Streams. A line is a record of CSV too.
LINE_MAX_BYTES = 1_048_576
IMPORT_CHUNK_LINES = 1000
IMPORT_CHUNK_BYTES = 1_048_576
# A chunk that fills slowly is written so long after its first line.
IMPORT_CHUNK_SECONDS = 1.0
GZIP_RATIO_MAX = 100
# How long a client may stop taking the answer of a stream.
STALLED_READER_SECONDS = 60.0
# Of results that are kept for a client who sends before it reads; beyond it has to read.
OUTBOX_MAX_BYTES = 2 * 1024**3
CSV_COLUMNS_MAX = 1000
