"""Libraries that stand between a program and libc (LD_PRELOAD), for faults that no test can cause
otherwise."""
import shutil
import subprocess


def library(folder, source):
    """Compiles the C source in `folder`; returns what LD_PRELOAD takes."""
    (folder / "fault.c").write_text(source)
    compiler = shutil.which("cc") or shutil.which("gcc")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", folder / "fault.so",
                    folder / "fault.c", "-ldl"], check=True)
    return str(folder / "fault.so")
