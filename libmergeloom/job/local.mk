libmergeloom_libcore_la_SOURCES += \
  libmergeloom/job/changes.c \
  libmergeloom/job/changes.h \
  libmergeloom/job/command.c \
  libmergeloom/job/command.h \
  libmergeloom/job/command_line.c \
  libmergeloom/job/document.c \
  libmergeloom/job/document.h \
  libmergeloom/job/git_guard.c \
  libmergeloom/job/git_guard.h \
  libmergeloom/job/git_metadata.c \
  libmergeloom/job/git_metadata.h \
  libmergeloom/job/job.h \
  libmergeloom/job/tools.c \
  libmergeloom/job/tools.h \
  libmergeloom/job/tools_actions.c \
  libmergeloom/job/tools_edit.c \
  libmergeloom/job/tools_files.c \
  libmergeloom/job/workspace.c \
  libmergeloom/job/workspace.h \
  libmergeloom/job/workspace_walk.c
