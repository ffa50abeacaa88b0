libmergeloom_libportable_la_SOURCES += libmergeloom/net/sse.c

libmergeloom_libcore_la_SOURCES += \
  libmergeloom/net/http.h \
  libmergeloom/net/retry.h \
  libmergeloom/net/sse.h
