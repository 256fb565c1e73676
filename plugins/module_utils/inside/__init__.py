# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs in a container: sent there as text over SSH, with nothing but the standard library of Python 3.8 or later.

wire     how it speaks with the control node
procs    the processes that a command has started, all of them, and their end
start    sets a job up and stays with it until it is over
git      what a job has done in its repository
gather   waits for a job to end and sends home what it has left
"""
