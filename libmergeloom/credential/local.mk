libmergeloom_libcore_la_SOURCES += \
  libmergeloom/credential/credential.h
