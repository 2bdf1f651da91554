/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the tests of this directory share.
 *
 * All functions return 0 (or what they say) on success and a negative errno on
 * failure, so that a test can write the errno that it expects. st_calls.c has
 * the calls with every argument open to abuse, st_env.c the devices, st_fail.c
 * failures of allocations, st_proc.c what /proc tells, child processes and memory,
 * st_mdev.c the mediated devices of samples/vfio-mdev, st_userfault.c memory that has to be
 * waited for.  st_group.h has groups, st_dma.h
 * what is mapped in a container.
 */
#ifndef IOMMU_SELFTEST_H
#define IOMMU_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/iommufd.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include "edu.h"
#include "iommufd_util.h"
#include "nvme.h"
#include "pci_sysfs.h"
#include "vfio_util.h"

#define ST_R		IOMMU_IOAS_MAP_READABLE
#define ST_W		IOMMU_IOAS_MAP_WRITEABLE
#define ST_RW		(ST_R | ST_W)
#define ST_FIXED	IOMMU_IOAS_MAP_FIXED_IOVA

#define ST_KIB		1024ull
#define ST_MIB		(1024ull * 1024)
#define ST_HUGE		(2 * ST_MIB)

/* An address that every IOMMU and the edu device can reach. */
#define ST_IOVA		(16 * ST_MIB)
#define ST_MAX		(~0ull)

/* No object has this ID. */
#define ST_NO_ID	0x7ffffff0u

#define ST_TIMEOUT	180

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

extern size_t st_page;		/* the CPU's page size */

/* st_calls.c */
int st_call(int fd, unsigned long request, void *argument);
int st_map(int fd, __u32 ioas, __u32 flags, const void *va, __u64 length, __u64 *iova);
int st_map_at(int fd, __u32 ioas, const void *va, __u64 length, __u64 iova);
int st_map_file(int fd, __u32 ioas, __u32 flags, int file, __u64 start, __u64 length,
		__u64 *iova);
int st_copy(int fd, struct iommu_ioas_copy *copy);
int st_unmap(int fd, __u32 ioas, __u64 iova, __u64 length);
int st_unmap_all(int fd, __u32 ioas, __u64 *length);
int st_option_set(int fd, __u32 option, __u32 object, __u64 value);
int st_option_get(int fd, __u32 option, __u32 object, __u64 *value);
int st_allow(int fd, __u32 ioas, struct iommu_iova_range *ranges, __u32 count);
int st_change_process(int fd);
int st_attach(int device_fd, __u32 pt_id);
int st_detach(int device_fd);
int st_set_irq(int device_fd, __u32 index, __u32 action, int event);

/* st_env.c */
enum st_device {
	ST_EDU,
	ST_NVME,
	ST_QUICK,	/* whichever is opened and closed without a slow reset */
};

/* What the fixed counters of the system and this process show. */
struct st_counters {
	long long vm_pin, vm_lck;	/* KiB of this process */
	long long pins;			/* pages that the whole system has pinned */
	long long huge_free;		/* huge pages */
};

struct st_env {
	int iommufd;
	__u32 ioas;
	struct vfio_device dev;		/* fd -1: none */
	struct edu edu;
	bool is_container;		/* iommufd is the fd of a container, ioas of no use */
	unsigned char *desk;		/* page that passes data to and from the edu device */
	struct st_counters before;
};

int st_device_open(struct vfio_device *dev, enum st_device kind);
int st_env_open_node(struct st_env *env, const char *node);
int st_env_open(struct st_env *env);
int st_env_add_device(struct st_env *env, enum st_device kind);
int st_env_open_attached(struct st_env *env, enum st_device kind);
int st_env_close(struct st_env *env);
int st_unmap_bar(struct vfio_device *dev, void *base);
int st_msi_window(struct st_env *env, struct iommu_iova_range *window);
int st_edu_start(struct st_env *env);
int st_device_sees(struct st_env *env, __u64 iova, const void *expected, size_t length);
int st_device_fills(struct st_env *env, __u64 iova, unsigned char seed, size_t length);

/* st_proc.c */
struct st_refusal {
	unsigned long long seq;
	char call[32];
	int error;
	char reason[32];
	char text[160];
};

void st_counters(struct st_counters *now);
bool st_counters_are(const struct st_counters *expected);
bool st_counters_are_now(const struct st_counters *expected);
long long st_vm_pin(void);
long long st_vm_lck(void);
int st_mount_alone(const char *type, const char *where);
long long st_fdinfo(int fd, const char *key);
unsigned int st_refusals(int fd);
int st_refusal(int fd, struct st_refusal *last);
bool st_told(int fd, const char *call, int error, const char *reason, __u64 number);
[[gnu::format(printf, 2, 3)]]
bool st_fdinfo_shows(int fd, const char *format, ...);
long long st_fdinfo_ioas(int fd, __u32 ioas, const char *key);
int st_in_child(int (*function)(void *argument), void *argument);
int st_drop_capability(int capability);
int st_limit_memlock(__u64 bytes);
void st_sleep_ms(unsigned int ms);
int st_read_text(const char *path, char *text, size_t size);
int st_write_text(const char *path, const char *text);

void *st_memory(size_t size);
void *st_huge_memory(size_t size);
int st_memfd(size_t size, unsigned int flags);
void st_fill(void *memory, unsigned char seed, size_t size);
bool st_filled(const void *memory, unsigned char seed, size_t size);

/* st_state.c */
char *st_state(int fd);
bool st_state_is(int fd, const char *before);

/* st_fail.c */
int st_fail_open(void);
void st_fail_pages(void);
void st_fail_close(int fd);
void st_fail_nth(int fd, unsigned int nth);
bool st_fail_done(int fd);

/* st_userfault.c */
int st_watch(void *at, size_t size);
int st_waiter(int fd, __u64 *page);
int st_answer(int fd, __u64 page);

/* st_mdev.c */
struct st_mdev {
	char uuid[40];
	struct vfio_device dev;
};

int st_mdev_create(struct st_mdev *mdev, const char *parent, const char *uuid);
int st_mdev_open(struct st_mdev *mdev);
int st_mdev_remove(struct st_mdev *mdev);

#endif
