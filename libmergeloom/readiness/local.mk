libmergeloom_libcore_la_SOURCES += \
  libmergeloom/readiness/checks.c \
  libmergeloom/readiness/checks.h \
  libmergeloom/readiness/local_checks.c \
  libmergeloom/readiness/program.c \
  libmergeloom/readiness/reach.c \
  libmergeloom/readiness/report.h \
  libmergeloom/readiness/self_test.c \
  libmergeloom/readiness/self_test.h \
  libmergeloom/readiness/tools_check.c
