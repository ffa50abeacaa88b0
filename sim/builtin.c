/* SPDX-License-Identifier: Apache-2.0 */
#include "builtin.h"

const char sim_builtin_script[] = "{\"models\": [\"sim-1\"], \"conversations\": []}";
