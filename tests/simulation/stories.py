"""The stories that the operator has to live through: each is played once, and again with a kill after each write."""

from simulation.stories_backward import BACKWARD
from simulation.stories_forward import FORWARD, SIZE
from simulation.stories_of_faults import FAULTS, FOREIGN, HANDS, LOST_STATUS, SICK_PODS
from simulation.stories_of_people import PEOPLE
from simulation.stories_of_registries import REGISTRIES

STORIES = (*FORWARD, *BACKWARD, *FAULTS, *PEOPLE, *SIZE, *HANDS, *SICK_PODS, *FOREIGN, *LOST_STATUS, *REGISTRIES)
