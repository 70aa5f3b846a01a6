"""How does a sweep run on a SLURM cluster?

    pip install 'oversmooth[sweep]' dask-jobqueue
    python examples/slurm_sweep.py examples/phase_diagram.toml /shared/folder/store --jobs 20

Start it on a login node, or in a small job of its own. The store must be in a folder that every
node sees under the same path. Killed, by a time limit say, it is started again in the same way.
"""

import argparse
import signal
import sys

from simulations.sweeps.config import read_sweep
from simulations.sweeps.run import Tally, run_sweep
from theory.arrays import InputError


def main() -> int:
    """Ask SLURM for workers as long as there is something to do."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("config")
    parser.add_argument("store")
    parser.add_argument("--jobs", type=int, default=4, help="the most jobs at a time")
    parser.add_argument("--cores", type=int, default=16, help="of one job, one worker each")
    parser.add_argument("--queue", help="SLURM's partition")
    parser.add_argument("--here", action="store_true", help="without SLURM, to try it out")
    options = parser.parse_args()
    # A job at its time limit hears SIGTERM first: as with Ctrl-C, the jobs asked for are cancelled.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tally = on_cluster(options)
    except InputError as error:
        sys.stderr.write(f"\n{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on\n")
        return 130
    sys.stderr.write("\n")
    return 0 if tally.done == tally.cells else 1


def on_cluster(options: argparse.Namespace) -> Tally:
    """Run the sweep on jobs that come and go."""
    sweep = read_sweep(options.config)  # what is wrong in it is said before a job is asked for
    if options.here:
        from dask_jobqueue.local import LocalCluster as Cluster
    else:
        from dask_jobqueue import SLURMCluster as Cluster
    job = {"cores": options.cores, "processes": options.cores, "memory": f"{2 * options.cores}GB"}
    if not options.here:
        one_thread = ["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"]
        job |= {"walltime": "02:00:00", "queue": options.queue, "job_script_prologue": one_thread}
    with Cluster(**job) as cluster:
        # Not scale(): a job that reaches its time limit is only replaced by adapt().
        cluster.adapt(minimum_jobs=1, maximum_jobs=options.jobs)
        return run_sweep(
            sweep, options.store, scheduler=cluster.scheduler_address, on_progress=show
        )


def show(tally: Tally) -> None:
    """Say how far it is."""
    sys.stderr.write(f"\r{tally.done} of {tally.cells} cells, {tally.failed} failed")


if __name__ == "__main__":
    raise SystemExit(main())
