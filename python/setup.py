"""Names the platform of a wheel that contains the library of the client: the rest is in ``pyproject.toml``."""

import os

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

#: Set by ``scripts/wheel``, which knows what the library needs: for instance ``manylinux_2_34_x86_64``.
PLATFORM = os.environ.get('NEO_WHEEL_PLATFORM')


class PlatformDistribution(Distribution):
    """One that is installed where platform-specific files belong."""

    def has_ext_modules(self):
        return PLATFORM is not None


class AnyPython(bdist_wheel):
    """The library is loaded through a C interface: it does not depend on the version of Python."""

    def get_tag(self):
        return super().get_tag() if PLATFORM is None else ('py3', 'none', PLATFORM)


setup(distclass=PlatformDistribution, cmdclass={'bdist_wheel': AnyPython})
