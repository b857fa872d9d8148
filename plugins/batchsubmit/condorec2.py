"""CondorEC2: every VM is a grid job, so HTCondor owns the instance."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import submit_templates
from factory.plugin import (
    Account,
    Finding,
    MachineFacts,
    Offer,
    Room,
    Shape,
    Submission,
    SubmitTools,
    Template,
    Timeouts,
    VMPolicy,
    VMSubmitPlugin,
    files,
    own_schedd,
)
from factory.userdata.compose import UserDataError, compose, fill_layer, jinja_errors
from factory.userdata.startd_attributes import startd_attributes
from plugins.batchsubmit.ec2commands import command_lines, parameter_lines
from plugins.batchsubmit.ec2settings import EC2Settings

if TYPE_CHECKING:
    from factory.plugin import FactorySettings, QueueSettings

FROM_INSTANCE = "FROM INSTANCE"
"""Value in place of a key file: ec2_gahp takes the role of the instance that it runs on."""

_LEASE_MARGIN_S = 60
"""``losttimeout`` is longer than a job's lease by at least this."""

_REMOVE = re.compile(r"(periodic_remove = )(.+)", re.IGNORECASE)
_LEASE = "time() > TimerRemove || time() > APFLeaseMax"
"""A queue's own periodic_remove adds a reason to end and never replaces these (rule 9)."""


class CondorEC2(VMSubmitPlugin):
    """Buy and retire VMs of one EC2 endpoint.

    Keeps ``pending + running + retiring + held + … <= maxinstances`` for the VM jobs of the queue. It is checked when
    the round is decided, and again by the worker that submits.
    """

    class Settings(EC2Settings):
        """The keys of all EC2 endpoints."""

    settings: Settings

    def __init__(self, queue: QueueSettings, settings: Any, factory: FactorySettings) -> None:
        super().__init__(queue, settings, factory)
        self._builds: Mapping[str, str] = self._shapes_builds() if settings.canary else {}
        """Builds by shape, as of reading the configuration: deciding reads no files."""

    def _shapes_builds(self) -> dict[str, str]:
        try:
            by_image = {
                shape.image: self._build(shape) for shape in {s.image: s for s in self.settings.shapes}.values()
            }
            return {str(shape): by_image[shape.image] for shape in self.settings.shapes}
        except (OSError, UserDataError):
            return {}  # then a submit fails and says why

    def _build(self, shape: Shape) -> str:
        """Return a digest of image and user-data, without the parts that differ from VM to VM."""
        user_data = self._user_data("", "", "", "")
        return hashlib.sha256(shape.image.encode() + b"\n" + user_data).hexdigest()[:16]

    @property
    def shape(self) -> Shape:
        """The shape that this queue buys if the chain names none."""
        return self.settings.shapes[0]

    def offers(self, seen: Mapping[str, Room]) -> tuple[Offer, ...]:
        """Return every combination of types, zones and markets of known size."""
        return self.settings.offers(seen)

    def usd_per_hour(self, shape: str) -> float | None:
        """Return the price by the configuration; on the spot market at most ``spot_price``."""
        return self.settings.usd_per_hour(shape)

    def templates(self) -> tuple[Template, ...]:
        """Return the templates, with the attributes that the user-data makes a startd show."""
        builds = self._builds or self._shapes_builds()
        return tuple(
            replace(each, attributes=self._attributes(each.shape), build=builds.get(each.shape, ""))
            for each in super().templates()
        )

    def _attributes(self, shape: str) -> tuple[tuple[str, str], ...]:
        """Return the attributes that a machine would show; none if the user-data is invalid, as ``apf check`` says."""
        try:
            shown = startd_attributes(self._user_data("", shape, "", ""))
        except (OSError, UserDataError):
            return ()
        return tuple((name, text) for name, text in shown.items() if name not in ("APFVM", "APFBuild"))

    def policy(self) -> VMPolicy:
        """Return the policy that the queue's settings make."""
        settings = self.settings
        job_s = settings.idle / 2 if settings.jobtimeout is None else settings.jobtimeout
        return VMPolicy(
            queue=self.queue.name,
            shape=self.shape,
            retire=settings.retire,
            removefraction=settings.removefraction,
            ondemand_first=settings.ondemand_first,
            timeouts=Timeouts(settings.starttimeout, settings.boottimeout, job_s, self._lost_s, self._advice),
            job_lease_s=self.factory.job_lease,
            drain_before_s=settings.lease / 8 if settings.drain_before is None else settings.drain_before,
            maxinstances=settings.maxinstances,
            update_interval_s=self.factory.update_interval,
            builds=self._builds,
        )

    @property
    def _advice(self) -> str:
        """Advice for VMs that never join the pool."""
        if self.settings.imds_mode != "required":
            return ""
        return "the image's cloud-init may not know IMDSv2: try batchsubmit.condorec2.imds = optional"

    @property
    def _lost_s(self) -> int:
        """``losttimeout``, but longer than the lease of a job that may still run on a lost VM (rule 5)."""
        return max(self.settings.losttimeout, self.factory.job_lease + _LEASE_MARGIN_S)

    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """Return one transaction: n items over ``submit_templates/ec2.sub``, and their user-data files.

        Raises:
            ValueError: the shapes are of two markets, which launch with different parameters.
        """
        settings = self.settings
        lease_max = settings.lease_max or settings.lease
        token = tools.token(lease_max)
        items, files = [], {}
        builds: dict[str, str] = {}
        shapes = shapes or (self.shape,) * n
        if len({shape.spot for shape in shapes}) > 1:
            raise ValueError("spot and on-demand machines can't be submitted together")
        for shape in shapes:
            vm = tools.uuid()
            path = str(tools.userdata / vm)
            build = builds.get(shape.image) or builds.setdefault(shape.image, self._build(shape))
            files[path] = self._user_data(vm, str(shape), token.text, tools.pool, build, tools.owner.names)
            if self.settings.canary and build != self._builds.get(str(shape), build):
                raise ValueError("a layer of the user-data has changed on disk; send SIGHUP to start with a canary")
            item = {"vm": vm, "userdata": path, "shape": str(shape), "build": build}
            item |= {"ami_id": shape.image, "instance_type": shape.instance_type}
            items.append(item | ({"zone": shape.zone or ""} if len(settings.availability_zone) > 1 else {}))
        macros = {
            "apf_queue": self.queue.name,
            "identity": token.identity,
            "gridresource": settings.gridresource,
            "access_key_id": str(settings.access_key_id),
            "secret_access_key": str(settings.secret_access_key),
            "lease_end": str(int(tools.now) + settings.lease),
            "lease_max": str(int(tools.now) + lease_max),
            "update_interval": str(self.factory.update_interval),
        }
        lines = [f"{name} = {value}" for name, value in macros.items()]
        lines += [submit_templates.read("ec2.sub"), *tools.owner.lines(), *command_lines(settings)]
        tags = {**tools.owner.tags, "apf:vm": "$(vm)", "apf:lease-max": macros["lease_max"]}
        tags |= {"apf:schedd": schedd} if (schedd := tools.schedd()) else {}
        lines += parameter_lines(settings, tags, spot=shapes[0].spot)
        lines += [_REMOVE.sub(rf"\1{_LEASE} || (\2)", line) for line in settings.lines()]
        return Submission("\n".join(lines) + "\n", tuple(items), files, own_schedd(self.factory), settings.maxinstances)

    def account(self) -> Account:
        """Return the queue's endpoint and key files."""
        settings = self.settings
        files_ = (settings.access_key_id, settings.secret_access_key)
        if FROM_INSTANCE in map(str, files_):
            return Account("EC2", settings.gridresource)
        return Account("EC2", settings.gridresource, *map(Path, files_))

    def machines(self) -> MachineFacts:
        """Return facts on the VMs; the gridmanager limits them by endpoint and pair of key files."""
        settings = self.settings
        return MachineFacts(
            resource=f"{settings.gridresource} {settings.access_key_id} {settings.secret_access_key}",
            host=urlsplit(settings.gridresource).hostname or "",
            instance_type=settings.instance_type[0],
            cores=settings.cores(settings.instance_type[0]),
            idle_s=settings.idle,
            lease_max_s=settings.lease_max or settings.lease,
            maxinstances=settings.maxinstances,
        )

    def check(self) -> Iterator[Finding]:
        """Check ``losttimeout``, key files, layers of the user-data, and the prices and sizes that Fit compares."""
        settings, queue = self.settings, self.queue.name
        if "losttimeout" in settings.model_fields_set and settings.losttimeout < self._lost_s:
            lease = f"a job may run on a lost VM for [Factory] job_lease = {self.factory.job_lease} s"
            text = f"{settings.losttimeout} s is too short: {lease}; set at least {self._lost_s} s"
            yield Finding("error", text, queue, self.key("losttimeout"))
        if "Fit" in self.queue.schedplugin and settings.unpriced is not None:
            compared = "Fit compares cores instead, and buys spot if there are two markets"
            text = f"no price is known for {settings.unpriced}: {compared}; set price_<type> and spotprice_<type>"
            yield Finding("warning", text, queue, self.key("instance_type"))
        if "Fit" in self.queue.schedplugin and settings.unsized:
            types = ", ".join(settings.unsized)
            text = f"no size is known for {types}, so Fit never buys it; set size_<type> to its cores, MiB and GPUs"
            yield Finding("error", text, queue, self.key("instance_type"))
        if FROM_INSTANCE not in (str(settings.access_key_id), str(settings.secret_access_key)):
            yield from files.secret(settings.access_key_id, queue, self.key("access_key_id"))
            yield from files.secret(settings.secret_access_key, queue, self.key("secret_access_key"))
        keys = {name: self.key("user_data_files") for name in settings.user_data_files}
        if settings.user_data_file is not None:
            keys[str(settings.user_data_file)] = self.key("user_data_file")
        unread = [each for name, key in keys.items() for each in files.readable(Path(name), queue, key)]
        yield from unread
        if not unread:
            yield from self._check_templates()

    def _check_templates(self) -> Iterator[Finding]:
        try:
            found = jinja_errors(self._layers("", str(self.shape), "", ""))
        except UserDataError:
            return  # the sample submission of ``apf check`` says why
        for text in found:
            yield Finding("error", f"{text}; cloud-init would ignore the whole user-data", self.queue.name)

    def user_data(self, vm: str, shape: Shape, token: str, pool: str) -> bytes:
        """Return the cloud-config document of one VM.

        Raises:
            UserDataError: a layer can't be used.
            OSError: a layer can't be read.
        """
        return self._user_data(vm, str(shape), token, pool, self._build(shape))

    def _user_data(
        self, vm: str, shape: str, token: str, pool: str, build: str = "", names: Mapping[str, str] | None = None
    ) -> bytes:
        return compose(self._layers(vm, shape, token, pool, build, names))

    def _layers(
        self, vm: str, shape: str, token: str, pool: str, build: str = "", names: Mapping[str, str] | None = None
    ) -> list[tuple[str, str]]:
        """Return name and text of each document, the lowest first."""
        settings = self.settings
        values = {
            **(names or {"factory": self.factory.id, "queue": self.queue.name}),
            "pool": settings.pool or pool,
            "vm": vm,
            "shape": shape,
            "build": build,
            "token": token,
            "idle": str(settings.idle),
            "update_interval": str(self.factory.update_interval),
            "master_update_interval": str(min(settings.master_update_interval, self.factory.update_interval)),
            "lease_minutes": str(-(-(settings.lease_max or settings.lease) // 60)),
        }
        layers = [("vm.yaml", submit_templates.read("vm.yaml"))]
        layers += [(name, _layer(Path(name))) for name in settings.user_data_files]
        if settings.user_data_file is not None:
            layers.append((str(settings.user_data_file), _layer(settings.user_data_file)))
        if settings.user_data is not None:
            layers.append(("user_data", settings.user_data))
        return [(name, fill_layer(name, text, values)) for name, text in layers]


def _layer(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserDataError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
