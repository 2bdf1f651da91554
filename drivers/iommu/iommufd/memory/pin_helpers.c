// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Who gets helpers to pin memory, and as long as there is memory for them.
 *
 * Helpers are threads of the kernel.  Whoever is restricted to some nodes of memory gets
 * none, because their allocations would not be.  Nobody gets more of the CPUs by them than
 * is meant for him, unless the administrator says how many there are: none for a thread
 * that may not run on all CPUs, is nice or not scheduled as usual, or is in a control group
 * that divides the CPUs.
 *
 * They stop while there is still memory for others.  When it runs out, it must be the
 * caller who asks for more, since the OOM killer can end nobody else.
 *
 * Locks: none.  &promised is atomic.
 */
#include <linux/atomic.h>
#include <linux/cgroup.h>
#include <linux/cpumask.h>
#include <linux/cpuset.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include "pin_helpers.h"

#define DEFAULT_THREADS 4U
#define MAX_THREADS 16U

static unsigned int pin_workers;
module_param(pin_workers, uint, 0644);
MODULE_PARM_DESC(pin_workers,
		 "Threads that pin a large range of untouched memory together, as far as there are CPUs; 1 is the caller alone; 0, the default, is 4, but 1 for callers whose use of the CPUs is restricted");

static struct workqueue_struct *workqueue;

/* Pages that all helpers together may be about to allocate. */
static atomic_long_t promised;

/**
 * pin_helpers_init - be ready for helpers
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOMEM.
 */
int __init pin_helpers_init(void)
{
	workqueue = alloc_workqueue("iommufd_pin", WQ_UNBOUND | WQ_SYSFS, num_possible_cpus());
	return workqueue ? 0 : -ENOMEM;
}

/**
 * pin_helpers_exit - no helpers any more
 *
 * Context: process context, may sleep.  There are none.
 */
void pin_helpers_exit(void)
{
	destroy_workqueue(workqueue);
}

/**
 * pin_helpers_queue - send for a helper
 * @work: what it does
 *
 * Context: any task.
 */
void pin_helpers_queue(struct work_struct *work)
{
	queue_work_node(numa_node_id(), workqueue, work);
}

static bool has_all_memory(void)
{
#ifdef CONFIG_NUMA
	if (current->mempolicy)
		return false;
#endif
	return nodes_subset(node_states[N_MEMORY], cpuset_current_mems_allowed);
}

/* No control group gives out shares of the CPUs to this thread, or limits it. */
static bool is_free_of_cpu_groups(void)
{
#ifdef CONFIG_CGROUP_SCHED
	guard(rcu)();
	return !task_css(current, cpu_cgrp_id)->parent;
#else
	return true;
#endif
}

static bool has_all_cpus(void)
{
	return current->policy == SCHED_NORMAL && task_nice(current) <= 0 &&
	       cpumask_subset(cpu_online_mask, current->cpus_ptr) &&
	       is_free_of_cpu_groups();
}

/**
 * pin_helpers_nthreads - how many threads may pin for the caller
 *
 * Context: any task.
 * Return: the number, which includes the caller.
 */
unsigned int pin_helpers_nthreads(void)
{
	unsigned int n = READ_ONCE(pin_workers) ?: DEFAULT_THREADS;

	n = min3(n, MAX_THREADS, num_online_cpus());
	if (n <= 1 || (current->flags & PF_KTHREAD) || !has_all_memory())
		return 1;
	if (!READ_ONCE(pin_workers) && !has_all_cpus())
		return 1;
	return min(n, cpumask_weight(current->cpus_ptr));
}

/**
 * pin_helpers_promise - another helper begins
 * @npages: pages that it takes at a time
 *
 * Context: any.
 */
void pin_helpers_promise(unsigned long npages)
{
	atomic_long_add(npages, &promised);
}

/**
 * pin_helpers_keep - a helper has ended
 * @npages: as promised
 *
 * Context: any.
 */
void pin_helpers_keep(unsigned long npages)
{
	atomic_long_sub(npages, &promised);
}

/* Pages that @memcg may have before anything has to be reclaimed for it. */
static unsigned long memcg_room(struct mem_cgroup *memcg)
{
	unsigned long room = ULONG_MAX;
#ifdef CONFIG_MEMCG
	unsigned long limit, used;

	for (; memcg && !mem_cgroup_is_root(memcg); memcg = parent_mem_cgroup(memcg)) {
		limit = min(READ_ONCE(memcg->memory.max), READ_ONCE(memcg->memory.high));
		used = page_counter_read(&memcg->memory);
		room = min(room, limit - min(limit, used));
	}
#endif
	return room;
}

/* What is free or, as half of the page cache, easily becomes so. */
static unsigned long zone_room(struct zone *zone)
{
	unsigned long room = zone_page_state(zone, NR_FREE_PAGES) +
			     zone_page_state(zone, NR_ZONE_INACTIVE_FILE) / 2 +
			     zone_page_state(zone, NR_ZONE_ACTIVE_FILE) / 2;
	unsigned long others = high_wmark_pages(zone) + zone_page_state(zone, NR_FREE_CMA_PAGES) +
			       zone->lowmem_reserve[ZONE_MOVABLE - 1];

	return room - min(room, others);
}

/*
 * Pages that are pinned for long come from no zone for movable ones: ULONG_MAX if the node
 * has no others.
 */
static unsigned long node_room(struct pglist_data *node)
{
	bool has_some = false;
	unsigned long room = 0;

	for (struct zone *zone = node->node_zones; zone < node->node_zones + ZONE_MOVABLE; zone++) {
		if (!populated_zone(zone))
			continue;
		has_some = true;
		room += zone_room(zone);
	}
	return has_some ? room : ULONG_MAX;
}

/* A VMA or a file may have a policy of its own, so what counts is the poorest node. */
static unsigned long system_room(void)
{
	unsigned long room = ULONG_MAX;
	int node;

	for_each_node_state(node, N_MEMORY)
		room = min(room, node_room(NODE_DATA(node)));
	return room;
}

/**
 * pin_helpers_have_room - is there memory for all helpers?
 * @memcg: the memory control group of one of them
 *
 * Context: any task.
 * Return: true while there are several times the pages that they may be about to take.
 */
bool pin_helpers_have_room(struct mem_cgroup *memcg)
{
	unsigned long room = min(memcg_room(memcg), system_room());

	return room / 4 >= (unsigned long)atomic_long_read(&promised);
}
