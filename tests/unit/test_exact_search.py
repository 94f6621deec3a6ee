"""ExactForestSearchCV gives GridSearchCV's results to the last bit, or leaves them to it."""

import doctest
import warnings

import joblib
import numpy as np
import pytest
from exact_cases import NAMES, both, data_set, differences, forest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import make_scorer, matthews_corrcoef
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneGroupOut, ShuffleSplit
from sklearn.utils.estimator_checks import check_estimator

from workloads.forest.exact.elsewhere import UnitsFailed
from workloads.forest.exact.search import ExactForestSearchCV

pytestmark = pytest.mark.slow

BUILDERS = ("compiled", "scikit-learn")
SHARING = {
    "depths and alphas": {
        "n_estimators": [3, 10, 17],
        "max_depth": [None, 2, 6, 40],
        "ccp_alpha": [0.0, 1e-3, 0.02],
    },
    "features": {
        "n_estimators": [4, 9],
        "max_features": ["sqrt", "log2", None, 0.3, 1.0, 2],
        "criterion": ["gini", "entropy", "log_loss"],
    },
    "leaf and split sizes": {
        "n_estimators": [4, 9],
        "min_samples_leaf": [1, 3, 0.02],
        "min_samples_split": [2, 7, 0.05],
        "max_depth": [None, 3],
    },
    "bootstrap sizes": {
        "n_estimators": [4, 9],
        "max_samples": [None, 1.0, 0.4, 40, 1.7],
        "ccp_alpha": [0.0, 5e-3],
    },
    "leaf numbers": {
        "n_estimators": [4, 9],
        "max_leaf_nodes": [None, 2, 5, 30],
        "ccp_alpha": [0.0, 5e-3],
        "max_depth": [None, 3],
    },
    "impurity and weight limits": {
        "n_estimators": [4, 9],
        "min_impurity_decrease": [0.0, 1e-3],
        "min_weight_fraction_leaf": [0.0, 0.03],
        "max_depth": [None, 4],
    },
}


@pytest.mark.parametrize("grid", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize("name", NAMES)
def test_every_score_is_gridsearchcvs(name, grid):
    x, y = data_set(name, 120)
    folds = list(KFold(2).split(x, y))
    plain = GridSearchCV(forest(), grid, cv=folds, refit=False, n_jobs=1).fit(x, y)
    for builder in BUILDERS:
        exact = ExactForestSearchCV(forest(), grid, cv=folds, refit=False, builder=builder)
        exact.fit(x, y)
        assert differences(plain, exact) == []
        assert builder in exact.builder_
        assert exact.plan_.builds < exact.plan_.reused_trees


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("grid", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize("name", NAMES)
def test_every_score_is_gridsearchcvs_on_more_rows(name, grid, seed):
    x, y = data_set(name, 1500)
    estimator = forest(random_state=seed)
    sizes = {"n_estimators": [10, 25]}
    plain, exact = both(x, y, {**grid, **sizes}, estimator=estimator)
    assert differences(plain, exact) == []


@pytest.mark.parametrize(
    "scoring",
    [
        "accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro",
        ["accuracy", "balanced_accuracy", "neg_log_loss"],
        {"one": "top_k_accuracy", "two": make_scorer(matthews_corrcoef)},
    ],
    ids=str,
)  # fmt: skip
def test_any_scorer_sees_the_forest_it_would_see(scoring):
    x, y = data_set("wine")
    labels = np.array(["barolo", "grignolino", "barbera"])[y]
    grid = {"n_estimators": [3, 8], "max_depth": [2, None], "ccp_alpha": [0.0, 0.01]}
    plain, exact = both(x, labels, grid, scoring=scoring, return_train_score=True)
    assert differences(plain, exact) == []
    assert exact.plan_ is not None


def test_best_and_refit_are_gridsearchcvs():
    x, y = data_set("covtype", 400)
    grid = [{"n_estimators": [3, 8], "max_depth": [2, None]}, {"ccp_alpha": [0.01]}]
    plain, exact = both(x, y, grid, refit=True)
    assert differences(plain, exact) == []
    assert exact.best_params_ == plain.best_params_
    assert exact.best_score_ == plain.best_score_
    assert np.array_equal(exact.predict_proba(x), plain.predict_proba(x))
    assert exact.score(x, y) == plain.score(x, y)
    assert exact.n_splits_ == 3


def test_several_processes_give_the_same_bits():
    x, y = data_set("covtype", 400)
    grid = {"n_estimators": [3, 25], "max_depth": [2, None], "ccp_alpha": [0.0, 0.01]}
    plain, exact = both(x, y, grid, n_jobs=2)
    assert differences(plain, exact) == []
    assert exact.builder_ == "compiled"


def test_threads_grow_trees_apart():
    x, y = data_set("covtype", 300)
    grid = {"n_estimators": [3, 60], "max_depth": [2, None], "ccp_alpha": [0.0, 0.01]}
    with joblib.parallel_config(backend="threading"):
        plain, exact = both(x, y, grid, n_jobs=2)
    assert differences(plain, exact) == []
    assert exact.builder_ == "compiled"


class BackToFront:
    """An engine that gives values in the worst order, some of them twice."""

    def run(self, units):
        from workloads.forest.exact.units import grow_unit

        values = [(unit.unit_id, grow_unit(**unit.arguments)) for unit in units]
        yield from reversed(values)
        yield values[0]


def test_an_engine_may_answer_in_any_order():
    x, y = data_set("covtype", 400)
    grid = {"n_estimators": [3, 45], "max_depth": [4, None], "max_features": [3, 7]}
    plain, exact = both(x, y, grid, engine=BackToFront())
    assert differences(plain, exact) == []


class Wrong:
    """An engine that leaves the last unit out, or gives every unit the first one's value."""

    def __init__(self, wrong):
        self.wrong = wrong

    def run(self, units):
        from workloads.forest.exact.units import grow_unit

        for unit in units[:-1] if self.wrong == "too few" else units:
            chosen = units[0] if self.wrong == "the first" else unit
            yield unit.unit_id, grow_unit(**chosen.arguments)


@pytest.mark.parametrize(
    ("wrong", "told"), [("too few", "no value of 1 unit"), ("the first", "of another unit")]
)
def test_an_engine_that_gives_wrong_values_is_found_out(wrong, told):
    x, y = data_set("covtype", 200)
    grid = {"n_estimators": [40], "max_depth": [4, None]}
    search = ExactForestSearchCV(forest(), grid, cv=KFold(2), engine=Wrong(wrong))
    with pytest.raises((UnitsFailed, ValueError), match=told):
        search.fit(x, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_builder_that_grew_trees_is_named(n_jobs):
    x, y = data_set("covtype", 200)
    grid = {"n_estimators": [3], "max_leaf_nodes": [5, None]}
    search = ExactForestSearchCV(forest(), grid, cv=KFold(2), n_jobs=n_jobs)
    assert "Trees come from the compiled builder" in search.explain(x, y)
    search.fit(x, y)
    assert search.builder_ == "compiled, scikit-learn"
    assert "scikit-learn: best-first trees are beyond" in search.builder_reason_
    assert "compiled: compared with" in search.builder_reason_
    search.set_params(builder="scikit-learn")
    assert "Trees come from scikit-learn's builder: asked for." in search.explain(x, y)


OUTSIDE = {
    "no seed": ({}, {"random_state": None}, "random_state=None"),
    "a generator": ({}, {"random_state": np.random.RandomState(0)}, "a generator"),
    "class weights": ({"class_weight": [{0: 1, 1: 1, 2: 2}, "balanced"]}, {}, "class weights"),
    "no bootstrap": ({"bootstrap": [False]}, {}, "without a bootstrap"),
    "out of bag": ({"oob_score": [True]}, {}, "out-of-bag"),
    "warm start": ({"warm_start": [True]}, {}, "warm_start"),
    "verbose fits": ({"verbose": [1]}, {}, "verbose"),
}


@pytest.mark.parametrize(("grid", "given", "reason"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_cannot_be_shared_is_left_to_gridsearchcv(grid, given, reason):
    x, y = data_set("iris")
    wanted = {"n_estimators": [3, 5], **grid}
    repeatable = given.get("random_state", 3) == 3
    plain, exact = both(x, y, wanted, estimator=forest(**given))
    assert exact.plan_ is None
    assert reason in exact.builder_reason_
    assert reason in exact.explain(x, y)
    if repeatable:
        assert differences(plain, exact) == []


def test_a_mixed_grid_shares_what_it_can():
    x, y = data_set("iris")
    grid = {"n_estimators": [3, 6], "class_weight": [None, "balanced"], "max_depth": [2, None]}
    plain, exact = both(x, y, grid, return_train_score=True)
    assert differences(plain, exact) == []
    assert len(exact.plan_.plain) == 4
    assert "4 combinations are fitted plainly: class weights" in exact.explain(x, y)


def test_fits_that_fail_fail_as_they_do_in_gridsearchcv():
    x, y = data_set("iris")
    grid = {"n_estimators": [3, 6], "max_depth": [-1, 2]}
    plain, exact = both(x, y, grid, error_score=-7.0)
    assert differences(plain, exact) == []
    assert (exact.cv_results_["split0_test_score"][:2] == -7.0).all()
    with pytest.raises(ValueError, match="max_depth"):
        ExactForestSearchCV(forest(), grid, cv=3, error_score="raise").fit(x, y)


ODD = {
    "n_estimators": [2, 0, True, 2.0, np.int64(2), "2"],
    "max_depth": [1, 0, True, 1.0, np.int32(2)],
    "min_samples_leaf": [1, 1.0, 0.999, np.float32(0.01), 0.0, True],
    "min_samples_split": [2, 1.0, 1.5, 1, np.float64(0.03)],
    "max_features": [1, 1.0, 0.0, True, 5, "auto", np.float32(0.6)],
    "max_samples": [1.0, 1, 1000, 2.5, 0.0, True, 0.01],
    "ccp_alpha": [0, -0.0, -1e-9, 1, np.float32(0.01), float("inf")],
    "min_weight_fraction_leaf": [0, 0.5, 0.51],
    "max_leaf_nodes": [2, 1, 2.0],
    "random_state": [0, -1, 2**32 - 1, 2**32, np.int64(7), 1.0],
    "criterion": ["gini", "GINI", None],
    "n_jobs": [None, 1, 2],
    "bootstrap": [True, 1],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values_do_what_they_do_in_gridsearchcv(name):
    x, y = data_set("iris", 60)
    base = forest(n_estimators=4, max_depth=3)
    for value in ODD[name]:
        grid = (
            {name: [value], "ccp_alpha": [0.01, 0.0]}
            if name != "ccp_alpha"
            else {name: [value]}
        )
        outcomes = []
        for kind in (GridSearchCV, ExactForestSearchCV):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    outcomes.append(kind(base, grid, cv=2, refit=False).fit(x, y))
                except ValueError as error:
                    outcomes.append(str(error).splitlines()[0])
        if isinstance(outcomes[0], str):
            assert outcomes[1] == outcomes[0]
        else:
            assert differences(*outcomes) == []


@pytest.mark.parametrize("estimator", [forest(), ExtraTreesClassifier(random_state=0)])
def test_a_generator_of_splits_is_read_once(estimator):
    x, y = data_set("iris")
    found = []
    for kind in (GridSearchCV, ExactForestSearchCV):
        splits = KFold(3).split(x)
        found.append(kind(estimator, {"n_estimators": [2, 4]}, cv=splits).fit(x, y))
    assert differences(*found) == []


@pytest.mark.parametrize("grid", [{"class_weight": ["balanced"]}, {"max_depth": [2, None]}])
def test_folds_are_drawn_once_and_not_by_explain(grid):
    x, y = data_set("iris")
    found = []
    for kind in (GridSearchCV, ExactForestSearchCV):
        cv = KFold(3, shuffle=True, random_state=np.random.RandomState(1))
        found.append(kind(forest(n_estimators=3), grid, cv=cv, refit=False))
    assert "combinations" in found[1].explain(x, y) or "class weights" in found[1].explain(x, y)
    assert differences(*(search.fit(x, y) for search in found)) == []
    # what they draw from stands where it does after GridSearchCV
    assert differences(*(search.fit(x, y) for search in found)) == []


def test_explain_leaves_a_generator_of_splits_to_fit():
    x, y = data_set("iris")
    grid, splits = {"n_estimators": [2, 4]}, list(KFold(3).split(x))
    plain = GridSearchCV(forest(), grid, cv=splits, refit=False).fit(x, y)
    exact = ExactForestSearchCV(forest(), grid, cv=iter(splits), refit=False)
    assert "on each of 3 folds" in exact.explain(x, y)
    assert differences(plain, exact.fit(x, y)) == []


def test_missing_values_are_left_to_gridsearchcv():
    x, y = data_set("iris")
    x = x.copy()
    x[::7, 1] = np.nan
    plain, exact = both(x, y, {"n_estimators": [3, 5], "max_depth": [2, None]})
    assert differences(plain, exact) == []
    assert "NaN" in exact.builder_reason_


@pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
def test_infinite_values_fail_as_they_do_in_gridsearchcv(kind):
    x, y = data_set("iris")
    x = x.astype(kind)
    x[3, 2] = np.inf
    plain, exact = both(x, y, {"n_estimators": [3, 5], "max_depth": [2, None]})
    assert differences(plain, exact) == []
    assert np.isnan(exact.cv_results_["mean_test_score"]).all()
    assert "beyond float32" in exact.builder_reason_


def test_monotonic_constraints_are_left_to_gridsearchcv():
    x, y = data_set("breast_cancer", 150)
    grid = {"n_estimators": [3], "monotonic_cst": [None, [1] + [0] * 29], "max_depth": [2, 4]}
    plain, exact = both(x, y, grid)
    assert differences(plain, exact) == []
    assert "monotonic" in exact.explain(x, y)


def test_several_outputs_are_left_to_gridsearchcv():
    x, y = data_set("iris")
    both_ways = np.column_stack([y, y[::-1]])
    plain, exact = both(x, both_ways, {"n_estimators": [3, 5]}, cv=KFold(2))
    assert exact.plan_ is None
    assert "multioutput" in exact.builder_reason_
    assert differences(plain, exact) == []


def test_sparse_data_are_left_to_gridsearchcv():
    from scipy.sparse import csr_matrix

    x, y = data_set("digits", 200)
    plain, exact = both(csr_matrix(x), y, {"n_estimators": [3, 5]})
    assert differences(plain, exact) == []
    assert exact.plan_ is None


def test_sample_weights_are_left_to_gridsearchcv():
    x, y = data_set("iris")
    weight = np.random.RandomState(0).rand(len(y))
    grid = {"n_estimators": [3, 5]}
    plain = GridSearchCV(forest(), grid, cv=3).fit(x, y, sample_weight=weight)
    exact = ExactForestSearchCV(forest(), grid, cv=3).fit(x, y, sample_weight=weight)
    assert differences(plain, exact) == []
    assert "sample_weight" in exact.builder_reason_


def test_another_estimator_is_left_to_gridsearchcv():
    x, y = data_set("iris")
    other = ExtraTreesClassifier(random_state=1)
    plain, exact = both(x, y, {"n_estimators": [3, 5]}, estimator=other)
    assert differences(plain, exact) == []
    assert "ExtraTreesClassifier" in exact.builder_reason_


def test_a_scoring_function_of_ones_own_sees_a_real_forest():
    def trees(model, x, y):
        return len(model.estimators_) + model.score(x, y)

    x, y = data_set("iris")
    plain, exact = both(x, y, {"n_estimators": [3, 5]}, scoring=trees)
    assert differences(plain, exact) == []


SPLITS = {
    "shuffled, overlapping": ShuffleSplit(4, test_size=0.3, random_state=1),
    "given lists": [
        (list(range(0, 100)), list(range(100, 150))),
        (list(range(50, 150)), [0, 0, 1, 49]),
    ],
    "a class missing in training": [(list(range(0, 90)), list(range(60, 150)))],
    "a row twice in training": [([*range(0, 100), *range(50)], list(range(100, 150)))],
    "masks": [(np.arange(150) % 3 > 0, np.arange(150) % 3 == 0)],
}


@pytest.mark.parametrize("cv", SPLITS.values(), ids=SPLITS)
def test_every_way_of_splitting_gives_the_same_bits(cv):
    x, y = data_set("iris")
    order = np.argsort(y, kind="stable")
    grid = {"n_estimators": [3, 7], "max_depth": [2, None], "ccp_alpha": [0.0, 0.02]}
    plain, exact = both(x[order], y[order], grid, cv=cv)
    assert differences(plain, exact) == []


def test_groups_reach_the_splitter():
    x, y = data_set("iris")
    groups, grid = np.arange(len(y)) % 4, {"n_estimators": [3, 7]}
    plain = GridSearchCV(forest(), grid, cv=LeaveOneGroupOut()).fit(x, y, groups=groups)
    exact = ExactForestSearchCV(forest(), grid, cv=LeaveOneGroupOut()).fit(x, y, groups=groups)
    assert differences(plain, exact) == []
    assert exact.plan_ is not None


KINDS = ("float32", "float16", "int64", "uint8", "bool")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_number_gives_the_same_bits(kind):
    x, y = data_set("digits", 200)
    grid = {"n_estimators": [3, 7], "max_depth": [3, None]}
    plain, exact = both(x.astype(kind), y, grid)
    assert differences(plain, exact) == []
    assert exact.plan_ is not None
    with warnings.catch_warnings(action="error"):
        exact.explain(x.astype(kind), y)


def test_values_closer_than_scikit_learn_tells_apart_give_the_same_bits():
    random = np.random.RandomState(0)
    x = 1.0 + random.randint(0, 40, (300, 4)) * 3e-8
    x[:, 3] = random.randint(0, 5, 300)
    y = random.randint(0, 3, 300)
    for builder in BUILDERS:
        grid = {"n_estimators": [5], "max_depth": [None, 3], "min_samples_leaf": [1, 4]}
        plain, exact = both(x, y, grid, builder=builder)
        assert differences(plain, exact) == []


def test_explain_fits_nothing_and_says_what_will_be():
    x, y = data_set("iris")
    grid = {"n_estimators": [5, 20], "max_depth": [None, 3], "ccp_alpha": [0.0, 0.1]}
    search = ExactForestSearchCV(forest(), grid, cv=3)
    text = search.explain(x, y)
    assert "8 of 8 combinations share trees, in 1 group on each of 3 folds." in text
    assert "Fitted one by one they grow 300 trees; here at most 120" in text
    assert not hasattr(search, "cv_results_")


def test_the_example_in_the_docstring_runs():
    from workloads.forest.exact import search

    assert doctest.testmod(search) == doctest.TestResults(failed=0, attempted=5)


def test_a_clone_has_the_same_parameters():
    search = ExactForestSearchCV(forest(), {"n_estimators": [2]}, builder="scikit-learn")
    assert clone(search).get_params()["builder"] == "scikit-learn"


def test_a_wrong_builder_is_refused():
    x, y = data_set("iris")
    with pytest.raises(ValueError, match="builder"):
        ExactForestSearchCV(forest(), {"n_estimators": [2]}, builder="gpu").fit(x, y)


def test_scikit_learns_own_checks_pass_where_gridsearchcv_passes():
    outcomes = []
    for kind in (GridSearchCV, ExactForestSearchCV):
        search = kind(forest(n_estimators=2), {"max_depth": [2, None]}, cv=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checks = check_estimator(search, on_fail=None, on_skip=None)
        outcomes.append([(one["check_name"], one["status"]) for one in checks])
    assert outcomes[1] == outcomes[0]
    assert sum(status == "passed" for _, status in outcomes[1]) > 50
