// Everything behind the first page.

import './rooms.js';
import './head.js';
import './talk.js';
import './composer.js';
import './people.js';
import './banner.js';
import { startNotifying } from './notify.js';
import { restoreOutbox, unsentIn } from './outbox.js';

addEventListener('beforeunload', (event) => unsentIn().size > 0 && event.preventDefault());
startNotifying();
restoreOutbox();
