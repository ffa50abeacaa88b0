#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# embed.sh FILE NAME: prints FILE as the C string NAME.
printf '/* Made from %s. */\nstatic const char %s[] =\n' "${1##*/}" "$2"
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$1"
echo '    "";'
