libmergeloom_libcore_la_SOURCES += \
  libmergeloom/plugin/host.h \
  libmergeloom/plugin/registry.h
