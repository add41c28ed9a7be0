// jemalloc's settings for the server, read by it before main() (jemalloc(3), "malloc_conf").
//
// Huge pages: the keyspace is touched at random, and without them a pipelined command spends a
// tenth of its time in page walks (measured: -10% CPU at -P 16 and -P 100, fewer bytes per key, 10
// MB more when empty). What speaks against them in Redis, copy-on-write after fork, does not exist
// here.
//
// The background thread gives freed pages back although no thread allocates any more: memory that
// a burst of large replies took is the machine's again within seconds.
extern "C" const char* const malloc_conf;
extern "C" const char* const malloc_conf = "thp:always,background_thread:true";
