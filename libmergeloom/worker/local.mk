libmergeloom_libcore_la_SOURCES += \
  libmergeloom/worker/context.h
