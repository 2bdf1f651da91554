// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Which IOAS the calls of a VFIO container work on, and IOMMU_VFIO_IOAS, which
 * chooses it.
 *
 * Those calls have no member that could name an address space.  They use the chosen
 * one, whether groups are in the container or not; groups are attached to the one that
 * was chosen when the first of them was attached.
 *
 * Locks: see container.h.
 */
#include <linux/seq_file.h>
#include <linux/vfio.h>

#include "container.h"
#include "ioas.h"
#include "ucmd.h"

bool iommufd_container_noiommu;

/**
 * iommufd_container_get_chosen - what the calls of the container work on
 * @ictx: context
 *
 * Context: any; give back soon, IOMMU_DESTROY waits for it.
 * Return: a short reference for iommufd_ioas_put(); NULL when none is chosen.
 */
struct iommufd_ioas *iommufd_container_get_chosen(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;

	xa_lock(&ictx->objects.table);
	ioas = ictx->container.chosen;
	if (ioas && !iommufd_object_tryget(&ioas->obj))
		ioas = NULL;
	xa_unlock(&ictx->objects.table);
	return ioas;
}

/**
 * iommufd_container_choose - decide what the calls of the container work on
 * @ictx: context
 * @ioas: a reference is held by the caller; NULL for none
 *
 * An IOAS whose ID is taken away can no longer be chosen: its pre_destroy callback,
 * which comes after that, makes sure that it is forgotten.
 *
 * Context: container lock held.
 * Return: 0; -ENOENT when @ioas is being destroyed.
 */
int iommufd_container_choose(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	struct xarray *table = &ictx->objects.table;
	bool gone;

	lockdep_assert_held(&ictx->container.lock);
	xa_lock(table);
	gone = ioas && xa_load(table, ioas->obj.id) != &ioas->obj;
	if (!gone) {
		WRITE_ONCE(ictx->container.chosen, ioas);
		ictx->container.displaced = NULL;
	}
	xa_unlock(table);
	if (gone)
		return iommufd_refuse(&ictx->log, -ENOENT, WHY_NO_OBJECT,
				      "ioas %u is being destroyed", ioas->obj.id);
	return 0;
}

/**
 * iommufd_container_refuse - there is neither a group nor a chosen IOAS
 * @ictx: context
 *
 * Type1 said EINVAL, iommufd has always said ENODEV.
 *
 * Return: -EINVAL on /dev/vfio/vfio, else -ENODEV, with the reason noted.
 */
int iommufd_container_refuse(struct iommufd_ctx *ictx)
{
	return iommufd_refuse(&ictx->log,
			      ictx->from_vfio_node ? -EINVAL : -ENODEV,
			      WHY_NO_OBJECT,
			      "no group is in, and IOMMU_VFIO_IOAS chose no IOAS");
}

/**
 * iommufd_container_get_ioas - the IOAS for a call that maps, unmaps or looks
 * @ictx: context
 *
 * On /dev/vfio/vfio VFIO_SET_IOMMU has to come first, as it always had to.  Programs
 * that hand a group to a /dev/iommu may do without.
 *
 * Context: any; give back soon.
 * Return: a short reference for iommufd_ioas_put(); ERR_PTR(-ENODEV) or ERR_PTR(-EINVAL)
 * when there is none; ERR_PTR(-EINVAL) too early; ERR_PTR(-ENOTTY) when the groups are
 * behind no IOMMU.
 */
struct iommufd_ioas *iommufd_container_get_ioas(struct iommufd_ctx *ictx)
{
	enum iommufd_container_kind kind = READ_ONCE(ictx->container.kind);
	u8 type = READ_ONCE(ictx->container.type);
	struct iommufd_ioas *ioas;

	if (kind != CONTAINER_EMPTY && ictx->from_vfio_node && !type)
		return ERR_PTR(iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
					      "VFIO_SET_IOMMU has to come first"));
	if (kind == CONTAINER_NOIOMMU)
		return ERR_PTR(iommufd_refuse(&ictx->log, -ENOTTY, WHY_NO_IOMMU,
					      "nothing can be mapped for groups behind no IOMMU"));
	ioas = iommufd_container_get_chosen(ictx);
	return ioas ?: ERR_PTR(iommufd_container_refuse(ictx));
}

static int get_id(struct iommufd_ucmd *ucmd, struct iommu_vfio_ioas *cmd)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ucmd->ictx);

	if (!ioas)
		return iommufd_refuse(&ucmd->ictx->log, -ENODEV, WHY_NO_OBJECT,
				      "no IOAS is chosen");
	cmd->ioas_id = ioas->obj.id;
	return 0;
}

static int set_id(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_ioas *ioas __free(ioas_put) = iommufd_ioas_get(ictx, id);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	guard(mutex)(&ictx->container.lock);
	if (ictx->container.kind == CONTAINER_NOIOMMU)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_NO_IOMMU,
				      "an IOAS is of no use to groups behind no IOMMU");
	return iommufd_container_choose(ictx, ioas);
}

static int clear(struct iommufd_ctx *ictx)
{
	guard(mutex)(&ictx->container.lock);
	return iommufd_container_choose(ictx, NULL);
}

/**
 * iommufd_call_vfio_ioas - IOMMU_VFIO_IOAS
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP; -ENODEV GET without one; -ENOENT SET of no IOAS; -EINVAL SET
 * while groups without an IOMMU are in; -EFAULT.
 */
int iommufd_call_vfio_ioas(struct iommufd_ucmd *ucmd)
{
	struct iommu_vfio_ioas *cmd = ucmd->cmd;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		rc = get_id(ucmd, cmd);
		return rc ?: iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	case IOMMU_VFIO_IOAS_SET:
		return set_id(ucmd->ictx, cmd->ioas_id);
	case IOMMU_VFIO_IOAS_CLEAR:
		return clear(ucmd->ictx);
	default:
		return iommufd_refuse_unknown(ucmd, "op", cmd->op);
	}
}

static const char *type_name(u8 type)
{
	switch (type) {
	case VFIO_TYPE1_IOMMU:
		return "type1";
	case VFIO_TYPE1v2_IOMMU:
		return "type1v2";
	case VFIO_NOIOMMU_IOMMU:
		return "noiommu";
	default:
		return "none";
	}
}

/**
 * iommufd_container_show - print the container's line of fdinfo
 * @ictx: context
 * @m: where to
 *
 * Nothing for a /dev/iommu that is not used as a container.
 *
 * Context: process context; does not wait for running calls.
 */
void iommufd_container_show(struct iommufd_ctx *ictx, struct seq_file *m)
{
	struct iommufd_container *container = &ictx->container;
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ictx);

	if (!ictx->from_vfio_node && !ioas && !READ_ONCE(container->type) &&
	    !READ_ONCE(container->kind))
		return;
	seq_printf(m, "container:\tnode=%s type=%s ioas=",
		   ictx->from_vfio_node ? "vfio" : "iommu",
		   type_name(READ_ONCE(container->type)));
	if (ioas)
		seq_printf(m, "%u", ioas->obj.id);
	else
		seq_puts(m, "none");
	if (!mutex_trylock(&container->lock)) {
		seq_puts(m, " groups=busy\n");
		return;
	}
	seq_printf(m, " groups=%zu\n", list_count_nodes(&container->members));
	mutex_unlock(&container->lock);
}
