// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The tracepoints' one definition.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
