# For packagers to put where their system has it; ExecStart= names /usr/bin.
if DAEMON
exampledir = $(docdir)/examples
dist_example_DATA = deploy/mergeloomd.service
dist_man_MANS += daemon/mergeloomd.8
else
EXTRA_DIST += deploy/mergeloomd.service daemon/mergeloomd.8
endif
