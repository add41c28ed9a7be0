"""The layer table as data: who may include whom, and which folder alone may use what.

ARCHITECTURE.md shows the same table; layout_test.py fails when the two differ. To allow a new edge,
change the row here and there, and say in the commit message why the layers need it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One row: a folder, and what its files may include besides the files of the same folder.

    An entry of `may_include` is a layer's name, "engine/*" for a folder with every layer below
    it, or a path prefix ("aof/request_parser") for a part of a layer.
    """

    name: str
    may_include: tuple[str, ...] = ()
    anything: bool = False


# The public include root is a layer of its own: it lies here and is included as holdfast/x.h.
PUBLIC_ROOT = "engine/include/holdfast"
PUBLIC = "holdfast"

ANY = "*"

LAYERS = (
    Layer(PUBLIC),
    Layer("memtable", (PUBLIC,)),
    Layer("eviction", (PUBLIC, "memtable")),
    Layer("aof", (PUBLIC,)),
    Layer("snapshot", (PUBLIC, "memtable", "aof")),
    Layer("engine/keyspace", (PUBLIC, "memtable", "eviction")),
    Layer("engine/acl", (PUBLIC,)),
    Layer("engine/pubsub", (PUBLIC,)),
    Layer("engine/config", (PUBLIC,)),
    Layer("engine/script", (PUBLIC,)),
    Layer(
        "engine/commands",
        (
            PUBLIC,
            "memtable",
            "engine/keyspace",
            "engine/acl",
            "engine/pubsub",
            "engine/script",
            "engine/config",
        ),
    ),
    Layer("engine/module", (PUBLIC, "engine/commands")),
    Layer("engine", (PUBLIC, "memtable", "eviction", "aof", "snapshot", "engine/*")),
    # Of the log the server sees requests, and the watermark that replies wait for.
    Layer(
        "server/net",
        (
            PUBLIC,
            "engine/*",
            "aof/request_parser",
            "aof/watermark",
            "server/tls",
            "server/session",
        ),
    ),
    Layer("server/tls", (PUBLIC, "engine/*")),
    Layer("server/session", (PUBLIC, "engine/*", "aof/request_parser")),
    Layer("server/cluster", (PUBLIC, "engine", "aof", "server/net", "server/tls")),
    # main() hands the machine's file system to the store.
    Layer(
        "server",
        (
            PUBLIC,
            "engine/*",
            "aof/posix_file_system",
            "server/net",
            "server/tls",
            "server/session",
        ),
    ),
    Layer("tools", (PUBLIC, "aof", "snapshot", "engine/*")),
    Layer("tests", anything=True),
    Layer("bench", anything=True),
)

CHECKING = ("tests", "bench")


@dataclass(frozen=True)
class ThirdParty:
    """Headers of a library (a regular expression on the include) and its sole users."""

    name: str
    headers: str
    users: tuple[str, ...]
    sources_only: bool = False  # never in a header, so that it does not spread


# Tests and benchmarks may use everything; a library that no row names is refused.
THIRD_PARTY = (
    ThirdParty("Asio", r"asio(\.hpp|/.*)", ("server/*",)),
    ThirdParty(
        "OpenSSL TLS", r"openssl/(ssl|tls1|x509.*|bio)\.h", ("server/tls", "server/cluster")
    ),
    ThirdParty("OpenSSL libcrypto", r"openssl/.*", ("engine", "engine/acl", "server/tls"), True),
    ThirdParty("RocksDB", r"rocksdb/.*", ("snapshot",)),
    ThirdParty("zstd", r"zstd\.h", ("snapshot",)),
    ThirdParty("Lua", r"(lua5\.\d/)?(lua|lauxlib|lualib)\.h(pp)?", ("engine/script",)),
    ThirdParty("dlopen", r"dlfcn\.h", ("engine/module",)),
    ThirdParty("libraft", r"raft(\.h|/.*)", ("server/cluster",)),
    ThirdParty("ISA-L", r"isa-l(\.h|/.*)", ("aof", "memtable"), True),
    ThirdParty("LZF", r"liblzf/lzf\.h", ("memtable",), True),
    ThirdParty("the allocator", r"malloc\.h", ("memtable",), True),
    ThirdParty("fmt", r"fmt/.*", (ANY,), True),
    ThirdParty("GoogleTest", r"(gtest|gmock)/.*", CHECKING),
    ThirdParty("Google Benchmark", r"benchmark/.*", CHECKING),
    ThirdParty(
        "POSIX",
        r"(unistd|fcntl|dirent|glob|poll|pthread|sched|semaphore|signal|sysexits|syslog|termios|"
        r"netdb|pwd|grp|strings|getopt|execinfo|ucontext|endian|byteswap)\.h|"
        r"(sys|net|netinet|arpa|linux|asm)/.*\.h",
        ("aof", "snapshot", "engine/keyspace", "engine", "server/*", "tools"),
        True,
    ),
    ThirdParty(
        "processor intrinsics",
        r"(x86intrin|immintrin|emmintrin|smmintrin|nmmintrin|tmmintrin|arm_neon|arm_acle)\.h",
        (ANY,),
    ),
)

# Calls that change what is on the disk stand in aof/ alone, behind holdfast/file_system.h: whoever
# needs them takes a FileSystem, so that a test can own the disk.
DISK_CALLS = (
    "write", "pwrite", "writev", "pwritev", "pwritev2", "fsync", "fdatasync", "syncfs",
    "sync_file_range", "rename", "renameat", "renameat2", "fallocate", "posix_fallocate",
    "ftruncate", "truncate", "msync",
)  # fmt: skip
DISK_CALL_USERS = ("aof", *CHECKING)
# Single files with a reason of their own.
DISK_CALL_FILES = {"server/net/server_log.cc": "the operator's text log: no data depends on it"}

FILE_LINES_MAX = 800
TEST_FILE_LINES_MAX = 1200
FILE_LINES_GOAL_P95 = 450
FUNCTION_LINES_MAX = 70

# Assertions (HF_CHECK, HF_DCHECK) per 1000 lines of code, where a broken invariant would cost data.
# A folder with less code than the second figure is declarations mostly: too little to measure.
ASSERTIONS_PER_1000_LINES_MIN = 25
ASSERTED_LINES_FROM = 400
ASSERTED_FOLDERS = ("aof", "memtable", "snapshot", "engine/keyspace")

# Words that name nothing. "Base" is Redis's word for the first file of a log, so it is refused only
# as the tail of a type's or file's name.
EMPTY_WORDS = ("manager", "util", "utils", "helper", "helpers", "common", "misc")
EMPTY_TAILS = (*EMPTY_WORDS, "base")
