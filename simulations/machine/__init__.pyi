from simulations.machine.backends import Backend, backend, device_count
from simulations.machine.files import commit_file, read_file
from simulations.machine.json import to_json
from simulations.machine.packages import package_folder, require_sha256
from simulations.machine.processes import each_in_processes
from simulations.machine.threads import cores, one_thread_each

__all__ = [
    "Backend",
    "backend",
    "commit_file",
    "cores",
    "device_count",
    "each_in_processes",
    "one_thread_each",
    "package_folder",
    "read_file",
    "require_sha256",
    "to_json",
]
