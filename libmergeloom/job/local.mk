libmergeloom_libcore_la_SOURCES += \
  libmergeloom/job/activity.c \
  libmergeloom/job/audit.c \
  libmergeloom/job/changes.c \
  libmergeloom/job/changes.h \
  libmergeloom/job/command.c \
  libmergeloom/job/command_wrapper.c \
  libmergeloom/job/command.h \
  libmergeloom/job/command_line.c \
  libmergeloom/job/document.c \
  libmergeloom/job/document.h \
  libmergeloom/job/engine.c \
  libmergeloom/job/events.c \
  libmergeloom/job/events.h \
  libmergeloom/job/git_credentials.c \
  libmergeloom/job/git_guard.c \
  libmergeloom/job/git_guard.h \
  libmergeloom/job/git_index.c \
  libmergeloom/job/git_metadata.c \
  libmergeloom/job/git_metadata.h \
  libmergeloom/job/git_nested.c \
  libmergeloom/job/job.h \
  libmergeloom/job/loop.c \
  libmergeloom/job/prompt.c \
  libmergeloom/job/result.c \
  libmergeloom/job/result.h \
  libmergeloom/job/run.h \
  libmergeloom/job/tools.c \
  libmergeloom/job/tools.h \
  libmergeloom/job/tools_actions.c \
  libmergeloom/job/tools_edit.c \
  libmergeloom/job/tools_files.c \
  libmergeloom/job/validation.c \
  libmergeloom/job/workspace.c \
  libmergeloom/job/workspace.h \
  libmergeloom/job/workspace_walk.c

dist_schema_DATA += \
  libmergeloom/schemas/mergeloom.event.v1.json \
  libmergeloom/schemas/mergeloom.job.v1.json \
  libmergeloom/schemas/mergeloom.result.v1.json
