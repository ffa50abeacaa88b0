AM_TESTS_ENVIRONMENT += CC='$(CC)'; export CC;
check_PROGRAMS += tests/abi/test_layout
tests_abi_test_layout_SOURCES = tests/abi/test_layout.c
tests_abi_test_layout_CPPFLAGS = -I$(srcdir)/libmergeloom/include
TESTS += tests/abi/test_layout tests/abi/headers.sh tests/abi/names.py tests/abi/symbols.sh
EXTRA_DIST += tests/abi/headers.sh tests/abi/names.py tests/abi/symbols.sh
