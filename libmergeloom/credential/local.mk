libmergeloom_libcore_la_SOURCES += \
  libmergeloom/credential/credential.c \
  libmergeloom/credential/credential.h \
  libmergeloom/credential/headers.c \
  libmergeloom/credential/headers.h
