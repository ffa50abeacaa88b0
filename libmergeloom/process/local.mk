libmergeloom_libcore_la_SOURCES += \
  libmergeloom/process/process.h \
  libmergeloom/process/sandbox.h
