libmergeloom_libcore_la_SOURCES += \
  libmergeloom/readiness/checks.h
