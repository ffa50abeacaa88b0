libmergeloom_libcore_la_SOURCES += \
  libmergeloom/secret/redactor.h \
  libmergeloom/secret/secret.h
