# In the place of libcurl in an end-to-end test.
check_LTLIBRARIES += tests/unit/net/old_libcurl.la
tests_unit_net_old_libcurl_la_SOURCES = tests/unit/net/old_libcurl.c
tests_unit_net_old_libcurl_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
tests_unit_net_old_libcurl_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere

if HAVE_CUNIT
check_PROGRAMS += tests/unit/net/test_http
TESTS += tests/unit/net/test_http
tests_unit_net_test_http_SOURCES = tests/unit/net/test_http.c tests/unit/net/server.c tests/unit/net/server.h \
  tests/unit/net/exchange.h
tests_unit_net_test_http_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_http_CFLAGS = $(unit_cflags)
tests_unit_net_test_http_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/net/test_http_tls
TESTS += tests/unit/net/test_http_tls
tests_unit_net_test_http_tls_SOURCES = tests/unit/net/test_http_tls.c tests/unit/net/server.c
tests_unit_net_test_http_tls_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_http_tls_CFLAGS = $(unit_cflags)
tests_unit_net_test_http_tls_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/net/test_retry
TESTS += tests/unit/net/test_retry
tests_unit_net_test_retry_SOURCES = tests/unit/net/test_retry.c
tests_unit_net_test_retry_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_retry_CFLAGS = $(unit_cflags)
tests_unit_net_test_retry_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/net/test_sse
TESTS += tests/unit/net/test_sse
tests_unit_net_test_sse_SOURCES = tests/unit/net/test_sse.c
tests_unit_net_test_sse_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_sse_CFLAGS = $(unit_cflags)
tests_unit_net_test_sse_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/net/test_url
TESTS += tests/unit/net/test_url
tests_unit_net_test_url_SOURCES = tests/unit/net/test_url.c
tests_unit_net_test_url_CPPFLAGS = $(unit_cppflags)
tests_unit_net_test_url_CFLAGS = $(unit_cflags)
tests_unit_net_test_url_LDADD = $(unit_libs)
endif
