// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A dma-buf that stands for memory of a device, such as vfio-pci's: one physical range
 * that the exporter can take away at any time and give back later.  Only iommufd can
 * use it.
 *
 * Locks: the dma-buf's reservation lock protects &test_dmabuf.revoked.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../test_hooks.h"
#include "calls.h"

/* No more than this in one dma-buf. */
#define DMABUF_MAX_LENGTH (512 * PAGE_SIZE)

/**
 * struct test_dmabuf - memory behind a dma-buf
 * @pages: the memory
 * @length: its length
 * @revoked: nobody may use it now
 */
struct test_dmabuf {
	void *pages;
	size_t length;
	bool revoked;
};

static void dmabuf_free(struct test_dmabuf *buf)
{
	if (buf)
		free_pages_exact(buf->pages, buf->length);
	kfree(buf);
}

DEFINE_FREE(dmabuf_free, struct test_dmabuf *, dmabuf_free(_T))

/* What vfio-pci does: it has to be told before it takes the memory away. */
static int dmabuf_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attachment)
{
	return attachment->peer2peer && dma_buf_attach_revocable(attachment) ?
		0 : -EOPNOTSUPP;
}

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/* Never called, as nothing is ever mapped, but a dma-buf has to have it. */
static void dmabuf_unmap(struct dma_buf_attachment *attachment, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
}

static void dmabuf_release(struct dma_buf *dmabuf)
{
	dmabuf_free(dmabuf->priv);
}

static const struct dma_buf_ops test_dmabuf_ops = {
	.attach = dmabuf_attach,
	.map_dma_buf = dmabuf_map,
	.unmap_dma_buf = dmabuf_unmap,
	.release = dmabuf_release,
};

/**
 * iommufd_test_dma_buf_iommufd_map - physical memory of a dma-buf of the selftest
 * @attachment: iommufd's attachment to some dma-buf
 * @phys: returns the range
 *
 * Context: the reservation lock is held, under which the range stays valid; later only
 * until the attachment is told to let go.
 * Return: 0; -EOPNOTSUPP the dma-buf is another's; -ENODEV the memory is not to be used.
 */
int iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				     struct phys_vec *phys)
{
	const struct test_dmabuf *buf;

	if (attachment->dmabuf->ops != &test_dmabuf_ops)
		return -EOPNOTSUPP;
	dma_resv_assert_held(attachment->dmabuf->resv);
	buf = attachment->dmabuf->priv;
	if (buf->revoked)
		return -ENODEV;
	phys->paddr = virt_to_phys(buf->pages);
	phys->len = buf->length;
	return 0;
}

static struct test_dmabuf *dmabuf_alloc(size_t length)
{
	struct test_dmabuf *buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);

	if (!buf)
		return NULL;
	buf->length = length;
	buf->pages = alloc_pages_exact(length, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (buf->pages)
		return buf;
	kfree(buf);
	return NULL;
}

static struct dma_buf *dmabuf_export(size_t length, u32 open_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct test_dmabuf *buf __free(dmabuf_free) = dmabuf_alloc(length);
	struct dma_buf *dmabuf;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	info.ops = &test_dmabuf_ops;
	info.size = length;
	info.flags = open_flags;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		retain_and_null_ptr(buf);
	return dmabuf;
}

/**
 * test_dmabuf_get - IOMMU_TEST_OP_DMABUF_GET
 * @ucmd: the call
 *
 * Return: a file descriptor; -EINVAL a length of zero, or too long; -EMFILE; -ENOMEM.
 */
int test_dmabuf_get(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	u32 length = cmd->dmabuf_get.length;
	struct dma_buf *dmabuf;
	int fd;

	if (!length || length > DMABUF_MAX_LENGTH)
		return -EINVAL;
	dmabuf = dmabuf_export(PAGE_ALIGN(length), cmd->dmabuf_get.open_flags);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, cmd->dmabuf_get.open_flags);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static void set_revoked(struct dma_buf *dmabuf, bool revoked)
{
	struct test_dmabuf *buf = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buf->revoked = revoked;
	dma_buf_invalidate_mappings(dmabuf);
	dma_resv_unlock(dmabuf->resv);
}

/**
 * test_dmabuf_revoke - IOMMU_TEST_OP_DMABUF_REVOKE
 * @ucmd: the call
 *
 * Return: 0; -EBADF, -EINVAL not a dma-buf; -EOPNOTSUPP another's.
 */
int test_dmabuf_revoke(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct dma_buf *dmabuf;
	int rc = 0;

	dmabuf = dma_buf_get(cmd->dmabuf_revoke.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops == &test_dmabuf_ops)
		set_revoked(dmabuf, cmd->dmabuf_revoke.revoked);
	else
		rc = -EOPNOTSUPP;
	dma_buf_put(dmabuf);
	return rc;
}
