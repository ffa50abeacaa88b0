libmergeloom_libcore_la_SOURCES += \
  libmergeloom/worker/check.c \
  libmergeloom/worker/context.c \
  libmergeloom/worker/context.h \
  libmergeloom/worker/describe.c \
  libmergeloom/worker/login.c \
  libmergeloom/worker/readiness_cache.c \
  libmergeloom/worker/readiness_cache.h \
  libmergeloom/worker/resolve.c \
  libmergeloom/worker/run.c \
  libmergeloom/worker/strings.c \
  libmergeloom/worker/strings.h
