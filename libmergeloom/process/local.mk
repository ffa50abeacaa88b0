libmergeloom_libcore_la_SOURCES += \
  libmergeloom/process/find.c \
  libmergeloom/process/output_capture.c \
  libmergeloom/process/process.c \
  libmergeloom/process/process.h \
  libmergeloom/process/sandbox.c \
  libmergeloom/process/sandbox.h \
  libmergeloom/process/sandbox_proof.h \
  libmergeloom/process/supervise_protocol.h \
  libmergeloom/process/supervisor_arguments.c \
  libmergeloom/process/supervisor_arguments.h

# Linked against libc only: it is started for every command.
pkglibexec_PROGRAMS += mergeloom-supervise
mergeloom_supervise_SOURCES = \
  libmergeloom/process/supervise.c \
  libmergeloom/process/supervise.h \
  libmergeloom/process/supervise_attack.c \
  libmergeloom/process/supervise_files.c \
  libmergeloom/process/supervise_filter.c \
  libmergeloom/process/supervise_guard.c \
  libmergeloom/process/supervise_judge.c \
  libmergeloom/process/supervise_namespaces.c \
  libmergeloom/process/supervise_protocol.h \
  libmergeloom/process/supervise_start.c \
  libmergeloom/process/supervise_tree.c
mergeloom_supervise_LDADD = libmergeloom/libportable.la
