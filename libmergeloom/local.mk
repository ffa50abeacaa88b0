# The parts without dependencies, for plugins too.
noinst_LTLIBRARIES += libmergeloom/libportable.la
libmergeloom_libportable_la_SOURCES =

# Everything, for unit tests that reach hidden functions; the public library is this and the version map.
noinst_LTLIBRARIES += libmergeloom/libcore.la
libmergeloom_libcore_la_SOURCES =
libmergeloom_libcore_la_CPPFLAGS = $(AM_CPPFLAGS) \
  -DMLOOM_PLUGIN_DIR='"$(plugindir)"' -DMLOOM_LIBEXEC_DIR='"$(pkglibexecdir)"'
libmergeloom_libcore_la_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS) $(CURL_CFLAGS) $(CRYPTO_CFLAGS) $(LTDL_CFLAGS) -pthread
libmergeloom_libcore_la_LIBADD = libmergeloom/libportable.la $(JSONC_LIBS) $(CRYPTO_LIBS) $(LTDL_LIBS) -ldl -lpthread

lib_LTLIBRARIES += libmergeloom.la
libmergeloom_la_SOURCES =
libmergeloom_la_LIBADD = libmergeloom/libcore.la
libmergeloom_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(MERGELOOM_LIBTOOL_VERSION) \
  -Wl,--version-script=$(srcdir)/libmergeloom/libmergeloom.map
libmergeloom_la_DEPENDENCIES = libmergeloom/libcore.la libmergeloom/libmergeloom.map
EXTRA_DIST += libmergeloom/libmergeloom.map

mergeloomincludedir = $(includedir)/mergeloom
mergeloominclude_HEADERS = \
  libmergeloom/include/mergeloom/cancel.h \
  libmergeloom/include/mergeloom/context.h \
  libmergeloom/include/mergeloom/crypto.h \
  libmergeloom/include/mergeloom/job.h \
  libmergeloom/include/mergeloom/mergeloom.h \
  libmergeloom/include/mergeloom/plugin.h \
  libmergeloom/include/mergeloom/login.h \
  libmergeloom/include/mergeloom/readiness.h \
  libmergeloom/include/mergeloom/resolution.h \
  libmergeloom/include/mergeloom/seal.h \
  libmergeloom/include/mergeloom/types.h
