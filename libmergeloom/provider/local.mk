libmergeloom_libcore_la_SOURCES += \
  libmergeloom/provider/provider.h
