libmergeloom_libcore_la_SOURCES += \
  libmergeloom/job/job.h
