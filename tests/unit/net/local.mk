if HAVE_CUNIT
check_PROGRAMS += tests/unit/net/test_http
TESTS += tests/unit/net/test_http
tests_unit_net_test_http_SOURCES = tests/unit/net/test_http.c tests/unit/net/server.c tests/unit/net/server.h \
  tests/unit/net/exchange.h
tests_unit_net_test_http_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_http_CFLAGS = $(unit_cflags)
tests_unit_net_test_http_LDADD = $(unit_libs)
endif
