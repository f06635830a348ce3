"""Stories in which the spec names an alias of a registry, and the alias moves, or the registry goes away."""

from simulation.telling import FAILING, SETTLED, Ending, at, moment, spec, story

from modelrollout.api.status import Phase
from modelrollout.simulation.happenings import Edit, EraseStatus, Kill, MoveAlias, Registry
from modelrollout.simulation.scenario import Until

CHAMPION = "models:/churn@champion"
OWN = "https://mlflow.shop.svc"
BY_ALIAS = spec(model={"uri": CHAMPION, "version": None})
REJECTED = Until(reason="ErrorRate", phase=Phase.ROLLED_BACK)
MOVED = moment(MoveAlias(CHAMPION, "2"), SETTLED, 2)

REGISTRIES = (
    story(
        "a moved alias is one rollout",
        (MOVED,),
        Ending("2", outcomes={"1": "Promoted", "2": "Promoted"}, made=8),
        spec=BY_ALIAS,
    ),
    story(
        "an alias that was rolled back is not tried again when it moves there once more",
        (
            MOVED,
            moment(MoveAlias(CHAMPION, "1"), REJECTED, 3),
            moment(MoveAlias(CHAMPION, "2"), SETTLED, 5),
        ),
        Ending("1", "ErrorRate", {"1": "Promoted", "2": "Rejected"}, made=5),
        spec=BY_ALIAS,
        models={"2": FAILING},
    ),
    story(
        "an alias moved back to the warm version",
        (MOVED, moment(MoveAlias(CHAMPION, "1"), Until(stable="2", reason="Stable"), 3)),
        Ending("1", outcomes={"1": "Promoted", "2": "Promoted"}, made=8),
        spec=BY_ALIAS,
    ),
    story(
        "an alias of a registry of the namespace's own moves, and then the registry",
        (
            MOVED,
            moment(Edit({"model": {"registry": f"{OWN}/second"}}, "the registry moves"), Until(stable="2")),
        ),
        Ending("2", outcomes={"1": "Promoted", "2": "Promoted"}, made=12),
        spec=spec(model={"uri": CHAMPION, "version": None, "registry": OWN}),
    ),
    story(
        "the version of the alias, pinned, is no new model",
        (
            MOVED,
            moment(Edit({"model": {"uri": "models:/churn/2"}}, "the spec pins 2"), Until(stable="2", reason="Stable")),
        ),
        Ending("2", outcomes={"1": "Promoted", "2": "Promoted"}, made=8),
        spec=BY_ALIAS,
    ),
    story(
        "the registry is away in mid-step, and the operator is killed",
        (MOVED, moment(Registry(away=True), at(25), 1), moment(Kill(), at(50), 1)),
        Ending("2", outcomes={"1": "Promoted", "2": "Promoted"}, made=8),
        spec=BY_ALIAS,
    ),
    story(
        "an alias of a registry that is away at first",
        (
            moment(Registry(away=True), Until()),
            moment(Registry(away=False), Until(reason="RegistryUnavailable"), 5),
        ),
        Ending("1", outcomes={"1": "Promoted"}, made=4),
        spec=BY_ALIAS,
    ),
    story(
        "status erased while the registry is away",
        (
            moment(Registry(away=True), SETTLED, 2),
            moment(EraseStatus(), SETTLED, 2),
            moment(Registry(away=False), Until(reason="RegistryUnavailable"), 5),
        ),
        Ending("1", outcomes={"1": "Promoted"}, made=4),
        spec=BY_ALIAS,
    ),
)
