libmergeloom_libcore_la_SOURCES += \
  libmergeloom/credential/credential.c \
  libmergeloom/credential/credential.h
