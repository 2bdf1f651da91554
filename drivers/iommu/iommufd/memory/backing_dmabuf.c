// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a dma-buf that vfio-pci exports: a piece of a BAR.
 *
 * The exporter revokes the buffer before the device stops to answer, with the buffer's
 * reservation lock held, and calls the same function again when it is about to
 * lift that.  The physical address is asked for with that lock held and published
 * before it is dropped, so no revocation lies between the two.
 *
 * After the second call the buffer is asked again, a few times, until the exporter
 * really has lifted the revocation.  One that is never lifted (the device has
 * left) costs nothing.
 *
 * Locks: the reservation lock of the dma-buf, and &iommufd_revocable.lock inside it.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "../test_hooks.h"
#include "origin.h"
#include "revocable.h"
#include "revoked.h"

/* Looks after the exporter has said that the buffer comes back; ten seconds. */
#define RETURN_TRIES 16

/**
 * struct dmabuf_backing - a backing out of a dma-buf
 * @rev: &iommufd_backing.pgoff is the first page in the buffer
 * @attach: to the buffer, of which there is a reference
 */
struct dmabuf_backing {
	struct iommufd_revocable rev;
	struct dma_buf_attachment *attach;
};

#define dmabuf_of(revocable) container_of(revocable, struct dmabuf_backing, rev)

/* -EOPNOTSUPP: somebody else's buffer, or more than one piece; -ENODEV: revoked. */
VISIBLE_IF_KUNIT int iommufd_dmabuf_ask(struct dma_buf_attachment *attach,
					struct phys_vec *phys)
{
	typeof(vfio_pci_dma_buf_iommufd_map) *ask;
	int rc;

	KUNIT_STATIC_STUB_REDIRECT(iommufd_dmabuf_ask, attach, phys);
	dma_resv_assert_held(attach->dmabuf->resv);

	rc = iommufd_test_dma_buf_iommufd_map(attach, phys);
	if (rc != -EOPNOTSUPP)
		return rc;
	if (!IS_ENABLED(CONFIG_VFIO_PCI_DMABUF))
		return -EOPNOTSUPP;
	ask = symbol_get(vfio_pci_dma_buf_iommufd_map);
	if (!ask)
		return -EOPNOTSUPP;
	rc = ask(attach, phys);
	symbol_put(vfio_pci_dma_buf_iommufd_map);
	return rc;
}

static int ask_and_publish(struct dmabuf_backing *db)
{
	struct iommufd_backing *backing = &db->rev.backing;
	u64 start = (u64)backing->pgoff << PAGE_SHIFT;
	struct phys_vec phys;
	int rc;

	rc = iommufd_dmabuf_ask(db->attach, &phys);
	if (rc)
		return rc;
	if (start + ((u64)iommufd_backing_npages(backing) << PAGE_SHIFT) > PAGE_ALIGN(phys.len))
		return -EOPNOTSUPP;
	guard(mutex)(&db->rev.lock);
	iommufd_revocable_publish_locked(&db->rev, phys.paddr + start);
	return 0;
}

static int refuse_ask(int rc, struct iommufd_log *log)
{
	const char *text = "its exporter refuses";

	if (rc == -ENODEV)
		text = "it is revoked, its device does not answer now";
	else if (rc == -EOPNOTSUPP)
		text = "not a single piece of a BAR exported by vfio-pci";
	return iommufd_refuse(log, rc, WHY_NOT_SUPPORTED, "dma-buf: %s", text);
}

static int dmabuf_restore(struct iommufd_revocable *rev, struct iommufd_log *log)
{
	struct dmabuf_backing *db = dmabuf_of(rev);
	struct dma_resv *resv = db->attach->dmabuf->resv;
	int rc;

	dma_resv_lock(resv, NULL);
	rc = ask_and_publish(db);
	dma_resv_unlock(resv);
	if (rc)
		return refuse_ask(rc, log);
	iommufd_revocable_fill(rev);
	return 0;
}

/* Only the exporter knows the device, and it tells: is there word that it is back? */
static bool dmabuf_concerns(const struct iommufd_revocable *rev,
			    const struct address_space *mapping)
{
	return READ_ONCE(rev->patience);
}

static const struct iommufd_revocable_ops dmabuf_revocable_ops = {
	.restore = dmabuf_restore,
	.concerns = dmabuf_concerns,
};

/* Called both when the buffer is revoked and when it is about to come back. */
static void dmabuf_invalidate(struct dma_buf_attachment *attach)
{
	struct dmabuf_backing *db = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	guard(mutex)(&db->rev.lock);
	if (!db->rev.present) {
		iommufd_revoked_retry_locked(&db->rev, RETURN_TRIES);
		return;
	}
	iommufd_revoked_retry_locked(&db->rev, 0);
	iommufd_revocable_revoke_locked(&db->rev);
}

static const struct dma_buf_attach_ops dmabuf_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = dmabuf_invalidate,
};

static void dmabuf_release(struct iommufd_backing *backing)
{
	struct dmabuf_backing *db = dmabuf_of(iommufd_revocable_of(backing));
	struct dma_buf *dmabuf = db->attach->dmabuf;

	iommufd_revocable_exit(&db->rev);
	dma_buf_detach(dmabuf, db->attach);
	dma_buf_put(dmabuf);
}

static const struct iommufd_backing_ops dmabuf_ops = {
	.name = "dma-buf",
	.revocable = true,
	.by_offset = true,
	.release = dmabuf_release,
};

static struct dmabuf_backing *dmabuf_backing_new(struct dma_buf *dmabuf,
						 struct device *importer,
						 unsigned long pgoff,
						 unsigned long npages,
						 bool writable)
{
	struct dmabuf_backing *db __free(kfree) = kzalloc_obj(*db, GFP_KERNEL_ACCOUNT);
	struct dma_buf_attachment *attach;
	int rc;

	if (!db)
		return ERR_PTR(-ENOMEM);
	db->rev.backing.pgoff = pgoff;
	rc = iommufd_revocable_init(&db->rev, &dmabuf_ops, &dmabuf_revocable_ops,
				    npages, writable);
	if (rc)
		return ERR_PTR(rc);
	attach = dma_buf_dynamic_attach(dmabuf, importer, &dmabuf_attach_ops, db);
	if (IS_ERR(attach)) {
		iommufd_revocable_exit(&db->rev);
		return ERR_CAST(attach);
	}
	get_dma_buf(dmabuf);
	db->attach = attach;
	return no_free_ptr(db);
}

static struct iommufd_backing *attach_and_find(struct dma_buf *dmabuf,
					       struct device *importer,
					       u64 start, u64 end, bool writable,
					       struct iommufd_log *log)
{
	unsigned long pgoff = start >> PAGE_SHIFT;
	struct dmabuf_backing *db;
	int rc;

	db = dmabuf_backing_new(dmabuf, importer, pgoff,
				((end - 1) >> PAGE_SHIFT) - pgoff + 1, writable);
	if (IS_ERR(db)) {
		refuse_ask(PTR_ERR(db), log);
		return ERR_CAST(db);
	}
	rc = iommufd_revocable_find(&db->rev, log);
	if (!rc)
		return &db->rev.backing;
	iommufd_backing_put(&db->rev.backing);
	return ERR_PTR(rc);
}

/**
 * iommufd_backing_dmabuf - make a backing out of a part of a dma-buf
 * @importer: the device that stands for iommufd before the exporter
 * @fd: any descriptor
 * @start: first byte
 * @length: bytes, not zero
 * @writable: devices may write
 * @log: where a refusal is told
 *
 * Covers whole pages.
 *
 * Context: may sleep.  Takes the reservation lock of the dma-buf.
 * Return: one reference; NULL when @fd is no dma-buf; ERR_PTR: -EOVERFLOW the end wraps;
 * -EINVAL past the end of the dma-buf; -ENODEV it is revoked; -EOPNOTSUPP not exported by
 * vfio-pci, or in several pieces; -ENOMEM.
 */
struct iommufd_backing *iommufd_backing_dmabuf(struct device *importer, int fd,
					       u64 start, unsigned long length,
					       bool writable,
					       struct iommufd_log *log)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct iommufd_backing *backing;
	u64 end;

	if (IS_ERR(dmabuf))
		return NULL;
	if (check_add_overflow(start, (u64)length, &end))
		backing = ERR_PTR(iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
						 "dma-buf offset 0x%llx + 0x%lx wraps",
						 start, length));
	else if (end > dmabuf->size)
		backing = ERR_PTR(iommufd_refuse(log, -EINVAL, WHY_BAD_FILE,
						 "bytes %llu-%llu are past the end of the dma-buf at %zu",
						 start, end - 1, dmabuf->size));
	else
		backing = attach_and_find(dmabuf, importer, start, end, writable,
					  log);
	dma_buf_put(dmabuf);
	return backing;
}

MODULE_IMPORT_NS("DMA_BUF");
