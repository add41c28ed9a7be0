#!/usr/bin/env python3
"""Stock clients against the server, used as a new user would: redis-cli in its modes,
redis-benchmark, python3-redis, and the two npm clients.

npm packages are installed into a temp folder; without npm that part is skipped with a line that
says so. --self-test runs everything against a proxy that alters replies: it must fail.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from altering_proxy import AlteringProxy
from resp import Client, encode
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, memory_only,
                            server_under_test)

try:
    import redis
except ImportError:  # Debian's package belongs to Debian's interpreter
    if sys.executable == "/usr/bin/python3":
        sys.exit("python3-redis is not installed: apt-get install python3-redis")
    os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)

NODE_SCRIPT = r"""
const assert = require('assert');
const port = Number(process.argv[2]);
async function nodeRedis() {
  const { createClient } = require('redis');
  const client = createClient({ socket: { port, host: '127.0.0.1' } });
  client.on('error', (error) => { throw error; });
  await client.connect();
  await client.set('node:a', 'v1');
  assert.equal(await client.get('node:a'), 'v1');
  assert.equal(await client.get('node:absent'), null);
  assert.equal(await client.incr('node:n'), 1);
  await client.set('node:ttl', 'x', { EX: 100, NX: true });
  assert.ok((await client.ttl('node:ttl')) > 90);
  const replies = await client.multi().set('node:b', '2').get('node:b').incrBy('node:n', 5).exec();
  assert.equal(replies[0], 'OK');
  assert.equal(replies[1], '2');
  assert.equal(replies[2], 6);
  const many = await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`node:m:${i}`, `${i}`)));
  assert.ok(many.every((reply) => reply === 'OK'));
  const seen = new Set();
  for await (const item of client.scanIterator({ MATCH: 'node:m:*', COUNT: 20 })) {
    for (const key of [].concat(item)) seen.add(key);
  }
  assert.equal(seen.size, 200);
  assert.deepEqual(await client.mGet(['node:m:1', 'node:absent']), ['1', null]);
  await assert.rejects(client.incr('node:a'), /not an integer/);
  await (client.close ? client.close() : client.quit());
}
async function ioRedis() {
  const Redis = require('ioredis');
  const client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 1 });
  assert.equal(await client.set('io:a', 'v', 'EX', 100), 'OK');
  assert.equal(await client.get('io:a'), 'v');
  const piped = await client.pipeline().incr('io:n').incr('io:n').get('io:absent').exec();
  assert.deepEqual(piped, [[null, 1], [null, 2], [null, null]]);
  await client.watch('io:n');
  await client.duplicate().incr('io:n');
  assert.equal(await client.multi().set('io:x', 1).exec(), null);
  const buffer = Buffer.from([0, 255, 13, 10]);
  await client.set('io:bin', buffer);
  assert.ok(buffer.equals(await client.getBuffer('io:bin')));
  assert.match(await client.info('server'), /redis_version:7/);
  assert.deepEqual(await client.config('GET', 'databases'), ['databases', '16']);
  client.disconnect();
}
(async () => {
  await nodeRedis();
  console.log('node-redis ok');
  await ioRedis();
  console.log('ioredis ok');
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
"""


def command(*words, data=None, timeout_s=60, bounded=False):
    """Standard output of a program; it must exit with 0 unless it is `bounded` by the timeout."""
    words = (("stdbuf", "-oL") if bounded else ()) + words  # a killed program loses its buffer
    try:
        run = subprocess.run([str(word) for word in words], input=data, capture_output=True,
                             timeout=timeout_s, check=False)
        if run.returncode:
            raise AssertionError("%s: exit %d: %r %r" % (words[0], run.returncode,
                                                         run.stdout[-300:], run.stderr[-300:]))
        return run.stdout
    except subprocess.TimeoutExpired as expired:
        if bounded:
            return expired.stdout or b""
        raise AssertionError("%s %s: no end within %d s" % (words[0], words[1:], timeout_s))


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def cli_session(port):
    """Commands on standard input, answers as text."""
    lines = [b"SET greeting \"hello world\"", b"GET greeting", b"INCR visits", b"MULTI",
             b"INCR visits", b"INCR visits", b"EXEC", b"GET absent", b"SELECT 2", b"SET in two",
             b"DBSIZE", b"SELECT 0", b"NOSUCH", b"DEL greeting visits", b"KEYS *", b"CONFIG GET port",
             b"EXPIRE absent 10", b"TYPE absent"]
    out = command("redis-cli", "-p", port, data=b"\n".join(lines) + b"\n").split(b"\n")
    expected = [b"OK", b"hello world", b"1", b"OK", b"QUEUED", b"QUEUED", b"2", b"3", b"", b"OK",
                b"OK", b"1", b"OK"]
    expect("redis-cli session: %r" % out, out[:len(expected)] == expected)
    expect("redis-cli error: %r" % out, any(b"unknown command" in line for line in out))
    expect("redis-cli -3", command("redis-cli", "-3", "-p", port, "HELLO").count(b"proto") == 1)
    expect("redis-cli --json", command("redis-cli", "--json", "-3", "-p", port, "CONFIG", "GET",
                                       "databases").strip() == b'{"databases":"16"}')
    expect("redis-cli -x", command("redis-cli", "-x", "-p", port, "SET", "stdin", data=b"bytes")
           .strip() == b"OK")
    expect("redis-cli -r", command("redis-cli", "-r", 3, "-p", port, "INCR", "r").split()
           == [b"1", b"2", b"3"])


def cli_modes(port):
    data = b"".join(encode("SET", "piped:%d" % i, "v" * (i % 300)) for i in range(10000))
    out = command("redis-cli", "-p", port, "--pipe", data=data)
    expect("redis-cli --pipe: %r" % out, b"errors: 0, replies: 10000" in out)
    keys = command("redis-cli", "-p", port, "--scan", "--pattern", "piped:*").split()
    expect("redis-cli --scan: %d" % len(keys), len(set(keys)) == 10000)
    out = command("redis-cli", "-p", port, "--bigkeys")
    expect("redis-cli --bigkeys: %r" % out[-400:], b"Biggest string found" in out and
           b"has 299 bytes" in out)
    out = command("redis-cli", "-p", port, "--memkeys")
    expect("redis-cli --memkeys: %r" % out[-400:], b"Sampled 1000" in out)
    out = command("redis-cli", "-p", port, "--stat", "-i", "0.1", timeout_s=1, bounded=True)
    expect("redis-cli --stat: %r" % out, out.count(b"\n") >= 3 and b"clients" in out)
    out = command("redis-cli", "-p", port, "--latency", "-i", "1", "--raw", timeout_s=5,
                  bounded=True)
    expect("redis-cli --latency: %r" % out, len(out.split()) >= 4)
    out = command("redis-cli", "-p", port, "--latency-history", "-i", "1", timeout_s=2, bounded=True)
    expect("redis-cli --latency-history", out != b"")
    out = command("redis-cli", "-p", port, "--lru-test", 1000, timeout_s=1.5, bounded=True)
    expect("redis-cli --lru-test: %r" % out, b"Gets/sec" in out)
    expect("redis-cli FLUSHALL", command("redis-cli", "-p", port, "FLUSHALL").strip() == b"OK")


def benchmark(port):
    out = command("redis-benchmark", "-p", port, "-t", "set,get,incr,mset,ping", "-n", 20000, "-q",
                  "-P", 8)
    for name in (b"PING_INLINE", b"PING_MBULK", b"SET", b"GET", b"INCR", b"MSET"):
        expect("redis-benchmark %s: %r" % (name, out), name in out)
    expect("redis-benchmark errors: %r" % out, b"rror" not in out)
    out = command("redis-benchmark", "-p", port, "-n", 5000, "-r", 100000, "-q", "--threads", 2,
                  "SET", "key:__rand_int__", "v")
    expect("redis-benchmark own command: %r" % out, b"requests per second" in out)


def python_client(port):
    for encoding in ({}, {"decode_responses": True}):
        client = redis.Redis(port=port, **encoding)
        client.flushall()
        expect("set", client.set("py:a", "1", ex=1000, nx=True) is True)
        expect("set nx", client.set("py:a", "2", nx=True) is None)
        expect("get", client.get("py:a") in (b"1", "1"))
        expect("ttl", 990 < client.ttl("py:a") <= 1000)
        expect("incrbyfloat", client.incrbyfloat("py:f", 1.5) == 1.5)
        expect("mget", len(client.mget("py:a", "absent")) == 2)
        expect("getdel", client.getdel("py:f") in (b"1.5", "1.5"))
        expect("exists", client.exists("py:a", "py:a") == 2)
        expect("rename", client.rename("py:a", "py:b"))
        expect("info", client.info()["redis_version"].startswith("7."))
        expect("info keyspace", client.info("keyspace")["db0"]["keys"] == 1)
        expect("config", client.config_get("maxmemory") == {"maxmemory": "0"})
        expect("client list", len(client.client_list()) >= 1)
        expect("dbsize", client.dbsize() == 1)
        expect("time", client.time()[0] > 1e9)
        expect("object", client.object("encoding", "py:b") in (b"int", "int"))
        expect("dump", client.restore("py:c", 0, client.dump("py:b")) if not encoding else True)
        expect("command", "get" in client.command())
        expect("memory", client.memory_usage("py:b") > 0)
        expect("slowlog", isinstance(client.slowlog_get(), list))
        try:
            client.incr("py:text") and client.set("py:text", "x") and client.incr("py:text")
            raise AssertionError("INCR of text gives no error")
        except redis.ResponseError as error:
            expect("error text", "not an integer" in str(error))


def python_transactions(port):
    client, other = redis.Redis(port=port), redis.Redis(port=port)
    client.flushall()
    with client.pipeline() as pipe:
        for i in range(1000):
            pipe.set("p:%d" % i, i)
        pipe.incr("p:0")
        replies = pipe.execute()
    expect("pipeline", replies == [True] * 1000 + [1])
    with client.pipeline(transaction=False) as pipe:
        expect("plain pipeline", pipe.get("p:5").get("absent").execute() == [b"5", None])
    with client.pipeline() as pipe:
        pipe.watch("p:1")
        value = int(pipe.get("p:1"))
        other.set("p:1", 100)
        pipe.multi()
        pipe.set("p:1", value + 1)
        try:
            pipe.execute()
            raise AssertionError("WATCH did not notice a change")
        except redis.WatchError:
            pass
    client.transaction(lambda pipe: pipe.multi() or pipe.incr("p:1"), "p:1")
    expect("transaction", client.get("p:1") == b"101")
    expect("scan_iter", len(set(client.scan_iter("p:*", count=50))) == 1000)
    expect("pool", redis.Redis(connection_pool=redis.ConnectionPool(port=port)).ping())
    with client.monitor() as monitor:
        other.set("monitored", 1)
        expect("monitor", "monitored" in monitor.next_command()["command"])
    python_lock(client, port)


def python_lock(client, port):
    lock = client.lock("the-lock", timeout=10)
    expect("lock", lock.acquire(blocking=False))
    expect("second lock", not client.lock("the-lock", timeout=10).acquire(blocking=False))
    with Client(port) as raw:
        has_scripts = raw.must("COMMAND", "INFO", "evalsha")[0] is not None
    if has_scripts:
        lock.release()
        expect("lock released", client.exists("the-lock") == 0)
    else:
        print("  note: Lock.release() is a script; this server has no EVALSHA yet")
        client.delete("the-lock")


def npm_clients(port, folder):
    if not shutil.which("npm"):
        print("  SKIPPED: npm is not installed")
        return
    command("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error",
            "redis", "ioredis", timeout_s=300)
    script = os.path.join(folder, "clients.js")
    with open(script, "w", encoding="utf-8") as file:
        file.write(NODE_SCRIPT)
    out = command("node", script, port, timeout_s=60)
    expect("npm clients: %r" % out, out.split(b"\n")[:2] == [b"node-redis ok", b"ioredis ok"])


def run_all(port, folder, only=None):
    """Problems of every client."""
    problems = []
    cases = [("redis-cli session", cli_session, ()), ("redis-cli modes", cli_modes, ()),
             ("redis-benchmark", benchmark, ()), ("python3-redis", python_client, ()),
             ("python3-redis transactions", python_transactions, ()),
             ("npm clients", npm_clients, (folder,))]
    for name, case, extra in cases:
        if only and not any(word in name for word in only):
            continue
        try:
            case(port, *extra)
            print("%s: ok" % name, flush=True)
        except Exception as error:  # whatever a client library makes of a wrong reply
            print("%s: FAILED" % name, flush=True)
            problems.append("%s: %s: %s" % (name, type(error).__name__, error))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    path = REDIS_SERVER if arguments.self_test else server_under_test(arguments)
    folder = tempfile.mkdtemp(prefix="holdfast-npm-")
    try:
        with ServerProcess(path, memory_only(path)) as server:
            if arguments.self_test:
                proxy = AlteringProxy(server.port, "integer", every=1)
                problems = run_all(proxy.port, folder, ["session", "python"])
                print("self-test %s" % ("passed" if len(problems) == 3 else "FAILED: lies went by"))
                return 0 if len(problems) == 3 else 1
            problems = run_all(server.port, folder, arguments.only)
            if not server.alive():
                problems.append("the server died:\n%s" % server.output())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print("PROBLEM: %s" % problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
