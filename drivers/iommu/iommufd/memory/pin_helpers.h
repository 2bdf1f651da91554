/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Who gets helpers to pin memory, and as long as there is memory for them; for
 * pin_parallel.c and who uses it.
 */
#ifndef __IOMMUFD_MEMORY_PIN_HELPERS_H
#define __IOMMUFD_MEMORY_PIN_HELPERS_H

#include <linux/types.h>

struct mem_cgroup;
struct work_struct;

int pin_helpers_init(void);
void pin_helpers_exit(void);

unsigned int pin_helpers_nthreads(void);
void pin_helpers_queue(struct work_struct *work);
void pin_helpers_promise(unsigned long npages);
void pin_helpers_keep(unsigned long npages);
bool pin_helpers_have_room(struct mem_cgroup *memcg);

#endif
