libmergeloom_libportable_la_SOURCES += libmergeloom/net/sse.c libmergeloom/net/url.c

libmergeloom_libcore_la_SOURCES += \
  libmergeloom/net/header.c \
  libmergeloom/net/header.h \
  libmergeloom/net/http.c \
  libmergeloom/net/http.h \
  libmergeloom/net/http_failure.c \
  libmergeloom/net/http_internal.h \
  libmergeloom/net/libcurl.c \
  libmergeloom/net/libcurl.h \
  libmergeloom/net/proxy.c \
  libmergeloom/net/proxy.h \
  libmergeloom/net/retry.c \
  libmergeloom/net/retry.h \
  libmergeloom/net/sse.h \
  libmergeloom/net/url.h
