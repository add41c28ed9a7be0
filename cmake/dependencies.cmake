# Everything comes from Debian 12's packages; nothing is downloaded at build time.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_library(ISAL_LIBRARY isal REQUIRED)
find_library(LZF_LIBRARY lzf REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
find_library(JEMALLOC_LIBRARY libjemalloc_pic.a REQUIRED)
