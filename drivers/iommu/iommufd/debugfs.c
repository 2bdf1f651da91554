// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The file "mappings" in the folder "iommufd" of debugfs: every area of every IOAS of
 * every iommufd, a line each, in the order of their numbers and IOVAs:
 *
 *	iommufd=N ioas=N iova=FIRST-LAST prot=r|w|rw memory=KIND address=ADDRESS
 *	state=mapping|live|unmapping accesses=N
 *
 * iommufd is the number that fdinfo shows, the kind of the memory is user, file, device
 * or dma-buf, and the address is where the mapping begins in the address space of who
 * mapped it, or in the file.  accesses tells how often drivers of emulated devices have
 * pages of it pinned.
 *
 * Nothing is held from one line to the next, so a dump of millions of areas keeps nobody
 * from mapping; it shows what there was at any time while it was read.
 *
 * Locks: that of the list of contexts, then the table of an iommufd, then
 * &iommufd_iopt.space_lock for reading; one after the other.
 */
#include <linux/debugfs.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "ctx.h"
#include "debugfs.h"
#include "ioas.h"
#include "pgtable/iopt_private.h"

/**
 * struct dump - a place in the dump
 * @serial: number of an iommufd
 * @ioas: ID of an IOAS in it
 * @iova: the next area is the first that ends here or above
 * @last: last IOVA of the area shown
 * @address: of its first byte
 * @kind: of its memory
 * @accesses: pins in it
 * @prot: as in &struct iommufd_area
 * @state: likewise
 */
struct dump {
	u64 serial;
	unsigned long ioas;
	unsigned long iova;
	unsigned long last;
	u64 address;
	const char *kind;
	unsigned int accesses;
	u8 prot;
	u8 state;
};

static void note_area(struct dump *dump, const struct iommufd_area *area)
{
	const struct iommufd_backing *backing = area->backing;

	dump->iova = area->node.span.first;
	dump->last = area->node.span.last;
	dump->kind = backing->ops->name;
	dump->address = backing->ops->by_offset ? (u64)backing->pgoff << PAGE_SHIFT :
						  backing->uva;
	dump->address += area->offset;
	dump->accesses = area_accesses(area);
	dump->prot = area->prot;
	dump->state = area_state(area);
}

static int find_in_ioas(struct dump *dump, struct iommufd_ioas *ioas)
{
	const struct iova_span span = { dump->iova, ULONG_MAX };
	struct iommufd_area *area;

	if (down_read_killable(&ioas->iopt.space_lock))
		return -EINTR;
	area = iopt_first_area_in(&ioas->iopt, &span);
	if (area)
		note_area(dump, area);
	up_read(&ioas->iopt.space_lock);
	return area ? 1 : 0;
}

/* The IOAS with the lowest ID from @dump->ioas on, with a short reference. */
static struct iommufd_ioas *next_ioas(struct dump *dump, struct iommufd_ctx *ictx)
{
	struct iommufd_objects *objs = &ictx->objects;
	unsigned long id = dump->ioas;
	struct iommufd_object *obj;

	xa_lock(&objs->table);
	xa_for_each_start(&objs->table, id, obj, dump->ioas)
		if (obj->type == IOMMUFD_OBJ_IOAS && iommufd_object_tryget(obj))
			break;
	xa_unlock(&objs->table);
	if (!obj)
		return NULL;
	if (id != dump->ioas)
		dump->iova = 0;
	dump->ioas = id;
	return container_of(obj, struct iommufd_ioas, obj);
}

static int find_in_ctx(struct dump *dump, struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;
	int rc;

	while ((ioas = next_ioas(dump, ictx))) {
		rc = fatal_signal_pending(current) ? -EINTR : find_in_ioas(dump, ioas);
		iommufd_object_put(&ictx->objects, &ioas->obj);
		cond_resched();
		if (rc)
			return rc;
		dump->ioas++;
		dump->iova = 0;
	}
	return 0;
}

static void begin(struct dump *dump, u64 serial)
{
	dump->serial = serial;
	dump->ioas = 0;
	dump->iova = 0;
}

/* The first area from the place on: 1 if there is one, 0 at the end, -EINTR. */
static int find(struct dump *dump)
{
	struct iommufd_ctx *ictx;
	int rc;

	while ((ictx = iommufd_ctx_next(dump->serial))) {
		if (ictx->serial != dump->serial)
			begin(dump, ictx->serial);
		rc = fatal_signal_pending(current) ? -EINTR : find_in_ctx(dump, ictx);
		iommufd_ctx_put(ictx);
		cond_resched();
		if (rc)
			return rc;
		begin(dump, dump->serial + 1);
	}
	return 0;
}

static void *found(struct dump *dump)
{
	int rc = find(dump);

	return rc < 0 ? ERR_PTR(rc) : rc ? dump : NULL;
}

static void *dump_start(struct seq_file *m, loff_t *pos)
{
	struct dump *dump = m->private;

	if (!*pos)
		*dump = (struct dump){};
	return found(dump);
}

static void *dump_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct dump *dump = m->private;

	++*pos;
	dump->iova = dump->last + 1;
	if (!dump->iova)
		dump->ioas++;
	return found(dump);
}

static void dump_stop(struct seq_file *m, void *v)
{
}

static int dump_show(struct seq_file *m, void *v)
{
	static const char *const states[] = {
		[AREA_NEW] = "mapping",
		[AREA_LIVE] = "live",
		[AREA_LEAVING] = "unmapping",
	};
	const struct dump *dump = v;

	seq_printf(m, "iommufd=%llu ioas=%lu iova=0x%lx-0x%lx prot=%s%s memory=%s address=0x%llx state=%s accesses=%u\n",
		   dump->serial, dump->ioas, dump->iova, dump->last,
		   dump->prot & IOMMU_READ ? "r" : "",
		   dump->prot & IOMMU_WRITE ? "w" : "", dump->kind, dump->address,
		   states[dump->state], dump->accesses);
	return 0;
}

static const struct seq_operations dump_ops = {
	.start = dump_start,
	.next = dump_next,
	.stop = dump_stop,
	.show = dump_show,
};

static int dump_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &dump_ops, sizeof(struct dump));
}

static const struct file_operations dump_fops = {
	.owner = THIS_MODULE,
	.open = dump_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

static struct dentry *folder;

/**
 * iommufd_debugfs_init - make the files
 *
 * Context: module init; may sleep.  Not having them is no reason to fail.
 */
void iommufd_debugfs_init(void)
{
	folder = debugfs_create_dir("iommufd", NULL);
	debugfs_create_file("mappings", 0400, folder, NULL, &dump_fops);
}

/**
 * iommufd_debugfs_exit - remove the files
 *
 * Context: module exit; waits for who reads them.
 */
void iommufd_debugfs_exit(void)
{
	debugfs_remove(folder);
}
