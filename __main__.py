"""The Pulumi program; a module of the project, so that it is tested like any other."""

from infra.program import declare

declare()
