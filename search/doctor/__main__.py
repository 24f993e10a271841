import sys

from search.doctor.command import main

main(sys.argv[1:])
