bin_PROGRAMS += mergeloom-plugin-check
mergeloom_plugin_check_SOURCES = \
  tests/conformance/check.h \
  tests/conformance/host.c \
  tests/conformance/main.c \
  tests/conformance/other_rules.c \
  tests/conformance/provider_rules.c
mergeloom_plugin_check_CPPFLAGS = -I$(srcdir)/libmergeloom/include
mergeloom_plugin_check_CFLAGS = $(AM_CFLAGS) -pthread
mergeloom_plugin_check_LDADD = libmergeloom.la -ldl
