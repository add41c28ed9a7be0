"""Argument abuse: every command x every position x every hostile value, and every arity up to
three arguments too many, on a RESP2 and a RESP3 connection."""

from command_grammar import FAR_MS, FAR_S, HOSTILE, sets_past_time, without_near_expiry
from dump_payload import raw_string
from scenarios import Step
from server_grammar import unsafe

TEMPLATES = """
APPEND a v|DECR n|DECRBY n 3|GET a|GETDEL a|GETEX a EX FAR_S|GETEX a PXAT FAR_MS|GETEX a PERSIST
GETRANGE a 1 3|GETSET a v|INCR n|INCRBY n 3|INCRBYFLOAT n 1.5|LCS a b|LCS a b LEN
LCS a b IDX MINMATCHLEN 2 WITHMATCHLEN|MGET a b n|MSET a 1 b 2|MSETNX x 1 y 2|PSETEX a FAR_MS v
SET a v|SET a v EX FAR_S|SET a v PX FAR_MS NX GET|SET a v EXAT FAR_S XX|SET a v KEEPTTL|SETEX a FAR_S v
SETNX x v|SETRANGE a 2 v|STRLEN a|SUBSTR a 0 2|DEL a b|UNLINK a b|EXISTS a b|EXPIRE a FAR_S NX
PEXPIRE a FAR_MS GT|EXPIREAT a FAR_S LT|PEXPIREAT a FAR_MS XX|TTL a|PTTL a|EXPIRETIME a
PEXPIRETIME a|PERSIST a|TYPE a|TOUCH a b|RENAME a x|RENAMENX a x|COPY a x DB 1 REPLACE|MOVE a 1
SWAPDB 0 1|RANDOMKEY|KEYS a*|SCAN 0 MATCH a* COUNT 10 TYPE string|OBJECT ENCODING a|OBJECT FREQ a
OBJECT IDLETIME a|OBJECT REFCOUNT a|DUMP a|RESTORE x 0 PAYLOAD REPLACE
RESTORE x FAR_MS PAYLOAD ABSTTL IDLETIME 1|RESTORE x 0 PAYLOAD FREQ 1|AUTH p|AUTH default p|ECHO v
PING v|SELECT 0|HELLO 2|HELLO 3 SETNAME n|HELLO 3 AUTH default p|RESET|CLIENT GETNAME
CLIENT SETNAME n|CLIENT LIST TYPE normal|CLIENT LIST ID 1|CLIENT INFO|CLIENT ID|CLIENT NO-EVICT on
CLIENT REPLY ON|CLIENT UNPAUSE|CLIENT KILL ID 999999|CLIENT KILL ADDR 1.2.3.4:5|DBSIZE|FLUSHDB ASYNC
FLUSHALL SYNC|INFO keyspace|LASTSAVE|TIME|MEMORY USAGE a SAMPLES 5|MEMORY DOCTOR|MEMORY PURGE
SLOWLOG GET 10|SLOWLOG LEN|SLOWLOG RESET|LATENCY HISTORY e|LATENCY LATEST|LATENCY RESET e
LATENCY DOCTOR|CONFIG GET maxmemory|CONFIG SET hz 10|CONFIG SET maxmemory-samples 5
CONFIG SET slowlog-max-len 10|CONFIG SET appendfsync no|CONFIG SET lazyfree-lazy-user-del yes
CONFIG SET auto-aof-rewrite-min-size 1mb|CONFIG SET tcp-keepalive 10|CONFIG RESETSTAT
COMMAND COUNT|COMMAND INFO get|COMMAND GETKEYS SET a b|COMMAND GETKEYSANDFLAGS COPY a b
COMMAND LIST FILTERBY PATTERN set*|DEBUG OBJECT a|DEBUG SET-ACTIVE-EXPIRE 1|DEBUG DIGEST-VALUE a b
MULTI|EXEC|DISCARD|WATCH a b|UNWATCH|SHUTDOWN ABORT
"""

_SPECIAL = {b"FAR_S": FAR_S, b"FAR_MS": FAR_MS, b"PAYLOAD": raw_string(b"restored")}


def templates():
    for line in TEMPLATES.replace("\n", "|").split("|"):
        if line:
            yield [_SPECIAL.get(word.encode(), word.encode()) for word in line.split(" ")]


def variants(template):
    """The template broken in every way that may be sent."""
    for position in range(1, len(template)):
        for value in HOSTILE:
            yield template[:position] + [value] + template[position + 1:]
    for length in range(1, len(template)):
        yield template[:length]
    for extra in (b"x", b"1", b""):
        for count in (1, 2, 3):
            yield template + [extra] * count


def sections():
    """One section per template and protocol; the keys are set up anew before each few commands."""
    prepare = [[b"SELECT", b"0"], [b"SET", b"a", b"hello"], [b"SET", b"b", b"world"],
               [b"SET", b"n", b"10"]]
    for template in templates():
        for conn in (0, 1):
            steps = []
            broken = [without_near_expiry(variant) for variant in variants(template)]
            broken = [variant for variant in broken if not unsafe(variant)]
            broken = [command for variant in broken for command in (
                [variant, [b"DEL", variant[1]]] if variant[0] == b"SET" and sets_past_time(variant)
                else [variant])]
            for start in range(0, len(broken), 8):
                batch = broken[start:start + 8]
                if template[0] in (b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"RESET"):
                    batch = batch + [[b"DISCARD"]]
                steps.append(Step(conn, prepare + batch))
            yield steps
